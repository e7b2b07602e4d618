"""First step: writes the table."""

import argparse
import csv

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=50)
given = parser.parse_args()
with mlflow.start_run(), open("table.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerows((row, 3.0 * row + 1.0) for row in range(given.rows))
    mlflow.log_metric("rows", given.rows)
