"""Finds fraud in card transactions: a small grid of models, every run tracked with MLflow.

The transactions are synthetic and the same on every machine (fixed seed): about 2 % are fraud, and fraud
differs from honest spending only by tendencies (later hours, larger amounts, farther from home, quicker
repeats), so that no single column gives it away. Three families of models learn from them epoch by epoch.

    python train.py                    # 12 runs below one parent run, about a minute
    python train.py --quick            # 3 runs, a few seconds

Where the runs go is decided by MLFLOW_TRACKING_URI alone.
"""

import argparse
import io
import time
import warnings
from dataclasses import dataclass, field

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
import sklearn
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    RocCurveDisplay,
    average_precision_score,
    classification_report,
    log_loss,
    precision_recall_curve,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

SEED = 20_260
MERCHANTS = ["groceries", "fuel", "restaurant", "travel", "electronics", "gift_cards", "online_games", "other"]
HONEST_MIX = [0.30, 0.14, 0.20, 0.05, 0.08, 0.03, 0.06, 0.14]
FRAUD_MIX = [0.10, 0.08, 0.06, 0.12, 0.24, 0.20, 0.10, 0.10]
NUMBERS = ["amount", "hour_sin", "hour_cos", "distance_km", "payments_last_hour", "days_since_last", "account_age_days"]
FLAGS = ["card_present", "new_device"]
LABEL = "is_fraud"
# Models are kept in skops' format, which runs no code when it is read; it wants these scikit-learn classes named.
TRUSTED = [
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
]


def make_transactions(rows: int, fraud_share: float, seed: int) -> pd.DataFrame:
    """Draws transactions. The same arguments give the same table, bit for bit."""
    rng = np.random.default_rng(seed)
    fraud = rng.random(rows) < fraud_share

    def pick(honest, fraudulent):
        return np.where(fraud, fraudulent, honest)

    amount = np.exp(pick(rng.normal(3.3, 0.9, rows), rng.normal(4.3, 1.1, rows)))
    hour = pick(rng.normal(15, 4.5, rows), rng.normal(22.5, 5.5, rows)) % 24
    distance = np.exp(pick(rng.normal(1.5, 1.2, rows), rng.normal(3.2, 1.6, rows)))
    payments = pick(rng.poisson(0.5, rows), rng.poisson(2.2, rows))
    idle = pick(rng.exponential(2.2, rows), rng.exponential(1.1, rows))
    age = pick(rng.gamma(4, 350, rows), rng.gamma(2.2, 330, rows))
    merchant = np.where(fraud, rng.choice(MERCHANTS, rows, p=FRAUD_MIX), rng.choice(MERCHANTS, rows, p=HONEST_MIX))
    # Some labels are wrong, as they are in life: nobody reports every fraud, and some honest payments are disputed.
    label = np.where(rng.random(rows) < 0.002, ~fraud, fraud)
    angle = hour / 24 * 2 * np.pi
    return pd.DataFrame(
        {
            "amount": amount.round(2),
            "hour_sin": np.sin(angle).round(4),
            "hour_cos": np.cos(angle).round(4),
            "distance_km": distance.round(2),
            "payments_last_hour": payments.astype("float64"),
            "days_since_last": idle.round(3),
            "account_age_days": age.round(0),
            "merchant": merchant,
            "card_present": (rng.random(rows) < pick(0.72, 0.28)).astype("float64"),
            "new_device": (rng.random(rows) < pick(0.06, 0.37)).astype("float64"),
            LABEL: label.astype("int64"),
        }
    )


@dataclass(frozen=True)
class Split:
    """One part of the data: the raw columns, their numeric form, and the labels."""

    raw: pd.DataFrame
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Trial:
    """One point of the grid."""

    family: str
    name: str
    epochs: int
    settings: dict = field(default_factory=dict)


def grid(quick: bool) -> list[Trial]:
    """The runs to make, slowest family last so that curves appear at once."""
    epochs = 8 if quick else 30
    trials = [
        Trial("logistic", f"logistic lr={rate} {weights}", epochs, {"learning_rate": rate, "class_weight": weights})
        for rate in (0.001, 0.01)
        for weights in ("none", "balanced")
    ]
    trials += [
        Trial("mlp", f"mlp {width} lr={rate}", epochs, {"hidden_units": width, "learning_rate": rate})
        for width in (16, 64)
        for rate in (0.0005, 0.005)
    ]
    trials += [
        Trial("boosting", f"boosting depth={depth} lr={rate}", epochs, {"max_depth": depth, "learning_rate": rate})
        for depth in (3, 6)
        for rate in (0.05, 0.2)
    ]
    return trials[::4] if quick else trials


class Logistic:
    """Logistic regression by stochastic gradient descent, one pass over the data an epoch."""

    def __init__(self, settings: dict, seed: int):
        rate = settings["learning_rate"]
        self.balanced = settings["class_weight"] == "balanced"
        self.model = SGDClassifier(loss="log_loss", alpha=1e-5, learning_rate="constant", eta0=rate, random_state=seed)

    def epoch(self, x, y):
        weight = None
        if self.balanced:
            share = y.mean()
            weight = np.where(y == 1, 0.5 / share, 0.5 / (1 - share))
        self.model.partial_fit(x, y, classes=[0, 1], sample_weight=weight)


class Perceptron:
    """A neural network with one hidden layer, one pass over the data an epoch."""

    def __init__(self, settings: dict, seed: int):
        width, rate = settings["hidden_units"], settings["learning_rate"]
        self.model = MLPClassifier((width,), learning_rate_init=rate, batch_size=256, alpha=1e-4, random_state=seed)

    def epoch(self, x, y):
        self.model.partial_fit(x, y, classes=[0, 1])


class Boosting:
    """Gradient boosted trees, three more trees an epoch."""

    def __init__(self, settings: dict, seed: int):
        depth, rate = settings["max_depth"], settings["learning_rate"]
        self.model = HistGradientBoostingClassifier(
            max_iter=0, max_depth=depth, learning_rate=rate, early_stopping=False, warm_start=True, random_state=seed
        )

    def epoch(self, x, y):
        self.model.max_iter += 3
        self.model.fit(x, y)


LEARNERS = {"logistic": Logistic, "mlp": Perceptron, "boosting": Boosting}


def curve_point(model, train: Split, validation: Split) -> dict[str, float]:
    """What is worth a curve after an epoch."""
    p_train = model.predict_proba(train.x)[:, 1]
    p_validation = model.predict_proba(validation.x)[:, 1]
    flagged = p_validation >= 0.5
    caught = int((flagged & (validation.y == 1)).sum())
    return {
        "train_loss": log_loss(train.y, p_train),
        "val_loss": log_loss(validation.y, p_validation),
        "train_average_precision": average_precision_score(train.y, p_train),
        "val_average_precision": average_precision_score(validation.y, p_validation),
        "val_roc_auc": roc_auc_score(validation.y, p_validation),
        "val_recall": caught / int((validation.y == 1).sum()),
        # As long as a model flags nothing, its precision is 0/0: not a number, and logged as that.
        "val_precision": caught / int(flagged.sum()) if flagged.any() else float("nan"),
    }


def best_threshold(model, validation: Split) -> float:
    """The score above which a payment is stopped: the one with the best F1 on validation data."""
    precision, recall, thresholds = precision_recall_curve(validation.y, model.predict_proba(validation.x)[:, 1])
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[int(np.argmax(f1[:-1]))])


def log_figures(model, test: Split, threshold: float) -> None:
    """A confusion matrix and a ROC curve over data that training never saw."""
    scores = model.predict_proba(test.x)[:, 1]
    figure, axes = plt.subplots(figsize=(4.6, 4.2), dpi=110, layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        test.y, scores >= threshold, display_labels=["honest", "fraud"], cmap="Blues", colorbar=False, ax=axes
    )
    axes.set_title(f"Test data, threshold {threshold:.3f}")
    mlflow.log_figure(figure, "figures/confusion_matrix.png")
    plt.close(figure)

    figure, axes = plt.subplots(figsize=(4.6, 4.2), dpi=110, layout="constrained")
    RocCurveDisplay.from_predictions(test.y, scores, ax=axes, plot_chance_level=True, name="model")
    axes.set_title("ROC curve, test data")
    mlflow.log_figure(figure, "figures/roc_curve.png")
    plt.close(figure)


def log_reports(model, test: Split, threshold: float) -> dict[str, float]:
    """Text, table and JSON reports; returns the test metrics."""
    scores = model.predict_proba(test.x)[:, 1]
    flagged = scores >= threshold
    report = classification_report(test.y, flagged, target_names=["honest", "fraud"], zero_division=0, output_dict=True)
    mlflow.log_text(
        classification_report(test.y, flagged, target_names=["honest", "fraud"], zero_division=0),
        "reports/classification.txt",
    )
    rows = []
    for cut in np.linspace(0.05, 0.95, 19):
        hit = scores >= cut
        true = int((hit & (test.y == 1)).sum())
        rows.append({"threshold": round(float(cut), 2), "flagged": int(hit.sum()), "fraud_caught": true})
    table = io.StringIO()
    pd.DataFrame(rows).to_csv(table, index=False)
    mlflow.log_text(table.getvalue(), "reports/thresholds.csv")
    metrics = {
        "test_average_precision": float(average_precision_score(test.y, scores)),
        "test_roc_auc": float(roc_auc_score(test.y, scores)),
        "test_precision": float(report["fraud"]["precision"]),
        "test_recall": float(report["fraud"]["recall"]),
        "test_f1": float(report["fraud"]["f1-score"]),
    }
    mlflow.log_dict({"threshold": threshold, **metrics}, "reports/summary.json")
    return metrics


def run_trial(trial: Trial, preprocess, train: Split, validation: Split, test: Split, dataset, seed: int) -> dict:
    """Trains one point of the grid in a run of its own."""
    note = f"**{trial.name}**: {trial.epochs} epochs of `{trial.family}` on {len(train.y):,} transactions."
    with mlflow.start_run(run_name=trial.name, nested=True, description=note) as run:
        mlflow.set_tags({"family": trial.family, "stage": "grid search", "dataset": "synthetic transactions"})
        mlflow.log_params({"model": trial.family, "epochs": trial.epochs, "seed": seed, **trial.settings})
        mlflow.log_input(dataset, context="training")
        learner = LEARNERS[trial.family](trial.settings, seed)
        best = 0.0
        for epoch in range(trial.epochs):
            began = time.perf_counter()
            learner.epoch(train.x, train.y)
            point = curve_point(learner.model, train, validation)
            point["time/epoch_seconds"] = time.perf_counter() - began
            mlflow.log_metrics(point, step=epoch)
            best = max(best, point["val_average_precision"])

        threshold = best_threshold(learner.model, validation)
        log_figures(learner.model, test, threshold)
        metrics = log_reports(learner.model, test, threshold)
        mlflow.log_metrics({"best_val_average_precision": best, "threshold": threshold, **metrics})

        pipeline = Pipeline([("preprocess", preprocess), ("model", learner.model)])
        example = test.raw.head(5)
        mlflow.sklearn.log_model(
            pipeline,
            name="model",
            # The model gets the metrics of this step; without it, those of the first epoch.
            step=trial.epochs - 1,
            signature=infer_signature(example, pipeline.predict(example)),
            input_example=example,
            skops_trusted_types=TRUSTED,
            # Said outright: working it out would load the model in another process, which takes longer than training.
            pip_requirements=[f"scikit-learn=={sklearn.__version__}", f"pandas=={pd.__version__}"],
        )
    return {"run_id": run.info.run_id, "val": point["val_average_precision"], "test": metrics["test_average_precision"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="fraud-detection", help="name of the experiment (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=24_000, help="transactions to generate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--quick", action="store_true", help="three short runs instead of twelve")
    options = parser.parse_args()

    mlflow.set_experiment(options.experiment)
    frame = make_transactions(options.rows, fraud_share=0.018, seed=options.seed)
    learn, rest = train_test_split(frame, test_size=0.4, stratify=frame[LABEL], random_state=options.seed)
    check, hold = train_test_split(rest, test_size=0.5, stratify=rest[LABEL], random_state=options.seed)
    preprocess = ColumnTransformer(
        [
            ("numbers", StandardScaler(), NUMBERS),
            ("merchant", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["merchant"]),
            ("flags", "passthrough", FLAGS),
        ]
    ).fit(learn)

    def split(part: pd.DataFrame) -> Split:
        raw = part.drop(columns=LABEL)
        return Split(raw, preprocess.transform(raw), part[LABEL].to_numpy())

    train, validation, test = split(learn), split(check), split(hold)
    dataset = mlflow.data.from_pandas(learn, name="transactions", targets=LABEL)
    trials = grid(options.quick)
    share = frame[LABEL].mean()
    print(f"{len(frame):,} transactions, {share:.1%} fraud; {len(trials)} runs", flush=True)

    note = (
        "# Grid search\n\n"
        f"{len(trials)} models on {len(frame):,} synthetic card transactions, of which {share:.1%} are fraud.\n\n"
        "Compared by **average precision**: with so few frauds, accuracy says nothing."
    )
    began = time.perf_counter()
    results = []
    with mlflow.start_run(run_name="grid search", description=note) as parent:
        mlflow.set_tag("stage", "grid search")
        mlflow.log_params({"rows": options.rows, "seed": options.seed, "trials": len(trials)})
        mlflow.log_input(dataset, context="training")
        for number, trial in enumerate(trials, start=1):
            clock = time.perf_counter()
            result = run_trial(trial, preprocess, train, validation, test, dataset, options.seed)
            results.append(result)
            mlflow.log_metric("grid/best_val_average_precision", max(r["val"] for r in results), step=number)
            took = time.perf_counter() - clock
            print(
                f"[{number:2}/{len(trials)}] {trial.name:34} average precision: "
                f"validation {result['val']:.3f}, test {result['test']:.3f}  ({took:.1f} s)",
                flush=True,
            )
    print(f"{len(trials)} runs in {time.perf_counter() - began:.0f} s", flush=True)

    # Asked of the tracking server, as anyone else would: the best child of this grid.
    found = mlflow.search_runs(
        experiment_names=[options.experiment],
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
        order_by=["metrics.val_average_precision DESC"],
        max_results=1,
        output_format="list",
    )
    best = found[0]
    print(
        f"Best run: {best.info.run_name} ({best.info.run_id}): "
        f"val_average_precision {best.data.metrics['val_average_precision']:.4f}, "
        f"test_average_precision {best.data.metrics['test_average_precision']:.4f}, "
        f"test_recall {best.data.metrics['test_recall']:.2f} at threshold {best.data.metrics['threshold']:.3f}"
    )


if __name__ == "__main__":
    # The network is stopped by epochs, not by convergence, and says so on every epoch otherwise.
    warnings.filterwarnings("ignore", category=sklearn.exceptions.ConvergenceWarning)
    warnings.filterwarnings("ignore", message="Hint: Inferred schema contains integer column")
    # Tables this small are quicker on one thread, and the machine stays usable while it trains.
    with threadpool_limits(limits=1):
        main()
