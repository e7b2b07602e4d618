"""Fits an elastic net to made-up wine, and logs how well it did."""

import argparse

import mlflow
from sklearn.datasets import make_regression
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split


def main():
    parser = argparse.ArgumentParser(description="Fit an elastic net.")
    parser.add_argument("alpha", type=float, help="strength of the penalty")
    parser.add_argument("l1_ratio", type=float, help="share of the absolute penalty")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--note", default="plain")
    given = parser.parse_args()
    samples, targets = make_regression(n_samples=given.rows, n_features=8, noise=10.0, random_state=7)
    train_x, test_x, train_y, test_y = train_test_split(samples, targets, random_state=7)
    with mlflow.start_run():
        model = ElasticNet(alpha=given.alpha, l1_ratio=given.l1_ratio, random_state=7).fit(train_x, train_y)
        predicted = model.predict(test_x)
        mlflow.log_metric("mae", mean_absolute_error(test_y, predicted))
        mlflow.log_metric("r2", r2_score(test_y, predicted))
        mlflow.set_tag("note", given.note)


if __name__ == "__main__":
    main()
