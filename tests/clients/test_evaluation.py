"""`mlflow.models.evaluate`: metrics, tables and figures of a judged model."""

import numpy as np
import pandas as pd
import pytest
from samples import FRAME, LABEL, log_model
from sklearn.metrics import f1_score, mean_absolute_error, roc_auc_score

# SHAP explains models and is not what is tried here.
CONFIG = {"log_model_explainability": False, "metric_prefix": "val_"}


def test_a_classifier_is_judged(tracking, client, unique, tmp_path):
    tracking.set_experiment(unique)
    with tracking.start_run() as run:
        info = log_model(tracking)
        flipped = LABEL.copy()
        flipped[:4] = 1
        result = tracking.models.evaluate(
            info.model_uri, FRAME.assign(label=flipped), targets="label", model_type="classifier", evaluator_config=CONFIG
        )
    model = tracking.sklearn.load_model(info.model_uri)
    got = client.get_run(run.info.run_id)
    assert got.data.metrics == pytest.approx({k: float(v) for k, v in result.metrics.items()})
    assert got.data.metrics["val_f1_score"] == pytest.approx(f1_score(flipped, model.predict(FRAME)))
    assert got.data.metrics["val_roc_auc"] == pytest.approx(roc_auc_score(flipped, model.predict_proba(FRAME)[:, 1]))
    assert got.data.metrics["val_false_negatives"] == 4

    files = {f.path for f in client.list_artifacts(run.info.run_id)}
    expected = {"val_roc_curve_plot.png", "val_precision_recall_curve_plot.png", "val_confusion_matrix.png"}
    assert expected <= files
    for artifact in result.artifacts.values():
        path = tracking.artifacts.download_artifacts(artifact.uri, dst_path=str(tmp_path))
        with open(path, "rb") as file:
            assert file.read(8) == b"\x89PNG\r\n\x1a\n"

    # The judgement belongs to the model and names the table it was made with.
    metrics = {m.key: m for m in client.get_logged_model(info.model_id).metrics}
    judged = metrics["val_accuracy_score"]
    assert judged.value == pytest.approx(0.9) and judged.run_id == run.info.run_id
    datasets = {(use.dataset.name, use.dataset.digest) for use in got.inputs.dataset_inputs}
    assert (judged.dataset_name, judged.dataset_digest) in datasets
    models = client.search_logged_models(
        [got.info.experiment_id],
        "metrics.val_accuracy_score > 0.8",
        datasets=[{"dataset_name": judged.dataset_name, "dataset_digest": judged.dataset_digest}],
    )
    assert [m.model_id for m in models] == [info.model_id]


def test_several_classes_have_a_table_of_their_own(tracking, client, unique):
    tracking.set_experiment(unique)
    target = pd.Series(np.arange(60) % 3)
    guess = target.copy()
    guess[::7] = 2
    with tracking.start_run() as run:
        tracking.models.evaluate(
            data=pd.DataFrame({"target": target, "guess": guess}),
            targets="target",
            predictions="guess",
            model_type="classifier",
            evaluator_config={"log_model_explainability": False},
        )
    metrics = client.get_run(run.info.run_id).data.metrics
    assert metrics["accuracy_score"] == pytest.approx((target == guess).mean())
    assert metrics["f1_score"] == pytest.approx(f1_score(target, guess, average="weighted"))
    path = tracking.artifacts.download_artifacts(f"runs:/{run.info.run_id}/per_class_metrics.csv")
    table = pd.read_csv(path)
    assert list(table["positive_class"]) == [0, 1, 2]
    assert list(table["true_positives"]) == [((target == c) & (guess == c)).sum() for c in range(3)]


def test_a_regressor_is_judged_with_metrics_of_ones_own(tracking, client, unique):
    tracking.set_experiment(unique)
    from mlflow.metrics import MetricValue, make_metric

    def worst(predictions, targets):
        errors = (predictions - targets).abs()
        return MetricValue(scores=errors.tolist(), aggregate_results={"max": float(errors.max())})

    data = pd.DataFrame({"truth": np.linspace(0, 1, 30), "guess": np.linspace(0.1, 0.8, 30)})
    with tracking.start_run() as run:
        result = tracking.models.evaluate(
            data=data,
            targets="truth",
            predictions="guess",
            model_type="regressor",
            extra_metrics=[make_metric(eval_fn=worst, greater_is_better=False, name="error")],
            evaluator_config={"log_model_explainability": False},
        )
    metrics = client.get_run(run.info.run_id).data.metrics
    assert metrics["mean_absolute_error"] == pytest.approx(mean_absolute_error(data["truth"], data["guess"]))
    assert metrics["error/max"] == pytest.approx(0.2)
    # One row for every judged row, kept as a table that is read back.
    table = tracking.load_table("eval_results_table.json", run_ids=[run.info.run_id])
    assert len(table) == 30
    assert np.allclose(table["error/score"], (data["guess"] - data["truth"]).abs())
    assert np.allclose(result.tables["eval_results_table"]["error/score"], table["error/score"])
