"""Second step: fits a line to the table by gradient descent."""

import argparse
import csv

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--rate", type=float, default=0.1)
given, further = parser.parse_known_args()
with open(given.data, newline="") as file:
    points = [(float(x), float(y)) for x, y in csv.reader(file)]
largest = max(x for x, _ in points) or 1.0
slope = offset = 0.0
with mlflow.start_run():
    for step in range(20):
        errors = [(slope * x / largest + offset - y, x / largest) for x, y in points]
        slope -= given.rate * sum(error * x for error, x in errors) / len(points)
        offset -= given.rate * sum(error for error, _ in errors) / len(points)
        mlflow.log_metric("loss", sum(error * error for error, _ in errors) / len(points), step=step)
    mlflow.set_tag("further", " ".join(further))
