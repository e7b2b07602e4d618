"""From runs to a model in production: registers what `train.py` made, promotes it, and takes a promotion back.

Written for the stock `mlflow` client. For what MLflow has no call for (rules, a note with a promotion, a rollback) it
asks the `slipway` command; without that it stops where MLflow does.
"""

import argparse
import shutil
import subprocess
import sys
import warnings

import mlflow
from mlflow.exceptions import MlflowException

METRIC = "val_average_precision"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", default="fraud-detection")
    parser.add_argument("--model", default="fraud-detector")
    parser.add_argument("--slipway", default=shutil.which("slipway"), help="the slipway program")
    return parser.parse_args()


def trained(experiment: str) -> list:
    """Finished runs with a model, the best first."""
    runs = mlflow.search_runs(
        experiment_names=[experiment],
        filter_string=f"attributes.status = 'FINISHED' AND metrics.{METRIC} > 0",
        order_by=[f"metrics.{METRIC} DESC"],
        output_format="list",
    )
    return [run for run in runs if run.outputs and run.outputs.model_outputs]


def register(client: mlflow.MlflowClient, name: str, run) -> str:
    """The model that a run logged becomes the next version."""
    source = f"models:/{run.outputs.model_outputs[-1].model_id}"
    version = mlflow.register_model(source, name).version
    client.set_model_version_tag(name, version, "family", run.data.params["model"])
    print(f"v{version}: {run.info.run_name}, {METRIC} {run.data.metrics[METRIC]:.4f}", flush=True)
    return version


def main() -> None:
    options = parse()
    client, name = mlflow.MlflowClient(), options.model
    runs = trained(options.experiment)
    if len(runs) < 3:
        sys.exit("Fewer than three finished runs with a model: run train.py first.")

    def slipway(*arguments: str) -> None:
        print("$ slipway models", " ".join(f"'{part}'" if " " in part else part for part in arguments), flush=True)
        done = subprocess.run([options.slipway, "models", *arguments], check=False)
        if done.returncode:
            sys.exit(done.returncode)

    best = register(client, name, runs[0])
    client.transition_model_version_stage(name, best, "Staging")
    if options.slipway:
        slipway(
            "rules", name, "--clear", "--add", f"metric:{METRIC}:higher:0.1", "--add", "signature",
            "--on", "@champion", "--on", "Production",
        )
    client.transition_model_version_stage(name, best, "Production")
    client.set_registered_model_alias(name, "champion", best)
    client.update_registered_model(name, description="Finds fraud among card transactions. See `examples/fraud-detection`.")

    worse = register(client, name, runs[-1])
    client.set_registered_model_alias(name, "challenger", worse)
    try:
        client.transition_model_version_stage(name, worse, "Production", archive_existing_versions=True)
        print("Nothing forbids it: this server has no rules.")
    except MlflowException as refused:
        print(f"Refused: {refused.message}", flush=True)

    next_best = register(client, name, runs[1])
    client.set_registered_model_alias(name, "challenger", next_best)
    if not options.slipway:
        return
    slipway("diff", f"{name}@champion", f"{name}@challenger")
    slipway("promote", f"{name}/{next_best}", "Production", "--note", "within the tolerance, tried for a week")
    slipway("promote", f"{name}/{next_best}", "@champion", "--note", "within the tolerance, tried for a week")
    slipway("rollback", name, "@champion", "--note", "too many false alarms on Monday")
    slipway("rollback", name, "Production", "--note", "too many false alarms on Monday")
    slipway("history", name)


if __name__ == "__main__":
    # Stages are on their way out in MLflow, and still what many people promote by.
    warnings.filterwarnings("ignore", message=".*transition_model_version_stage.*")
    main()
