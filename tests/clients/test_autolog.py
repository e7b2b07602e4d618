"""Training that is logged by itself: scikit-learn, XGBoost and LightGBM."""

import json

import lightgbm
import numpy as np
import pytest
import xgboost
from samples import FRAME, LABEL
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


@pytest.fixture
def autologged(tracking, unique):
    """Id of an experiment to which everything that is trained is logged."""
    experiment = tracking.set_experiment(unique).experiment_id
    # Without a class of its own it is the switch for every library that is there.
    tracking.autolog(log_input_examples=True, log_model_signatures=True, silent=True)
    tracking.sklearn.autolog(log_input_examples=True, log_model_signatures=True, max_tuning_runs=3, silent=True)
    yield experiment
    tracking.sklearn.autolog(disable=True, silent=True)
    tracking.autolog(disable=True, silent=True)


def only_run(client, experiment):
    runs = client.search_runs([experiment])
    assert len(runs) == 1 and runs[0].info.status == "FINISHED"
    return runs[0]


def artifacts(client, run) -> set[str]:
    return {f.path for f in client.list_artifacts(run.info.run_id)}


def history(client, run, key) -> list[float]:
    points = client.get_metric_history(run.info.run_id, key)
    # Logged once for the run and once more with the model: the same point stays one.
    assert [p.step for p in points] == list(range(len(points)))
    return [p.value for p in points]


def test_fitting_without_a_run_makes_one(tracking, client, autologged):
    model = LogisticRegression(C=0.25).fit(FRAME, LABEL)
    run = only_run(client, autologged)
    assert run.data.params["C"] == "0.25" and run.data.params["solver"] == "lbfgs"
    assert run.data.tags["estimator_name"] == "LogisticRegression"
    assert run.data.metrics["training_accuracy_score"] == model.score(FRAME, LABEL)
    assert {"estimator.html", "training_confusion_matrix.png"} <= artifacts(client, run)
    dataset = run.inputs.dataset_inputs[0]
    assert {t.key: t.value for t in dataset.tags} == {"mlflow.data.context": "train"}
    assert json.loads(dataset.dataset.profile) == {"num_rows": 40, "num_elements": 80}
    columns = json.loads(dataset.dataset.schema)["mlflow_colspec"]
    assert [column["name"] for column in columns] == ["x", "z"]
    logged = tracking.search_logged_models([autologged], output_format="list")
    assert [m.model_id for m in logged] == [o.model_id for o in run.outputs.model_outputs]
    assert logged[0].source_run_id == run.info.run_id and str(logged[0].status) == "READY"
    loaded = tracking.pyfunc.load_model(f"models:/{logged[0].model_id}")
    assert loaded.metadata.signature.inputs.input_names() == ["x", "z"]
    assert np.array_equal(loaded.predict(loaded.input_example), model.predict(FRAME)[: len(loaded.input_example)])


def test_a_pipeline_is_logged_with_the_params_of_its_steps(tracking, client, autologged):
    pipeline = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression(C=3.0))])
    with tracking.start_run(run_name="piped"):
        pipeline.fit(FRAME, LABEL)
        score = pipeline.score(FRAME, LABEL)
    run = only_run(client, autologged)
    assert run.info.run_name == "piped"
    assert run.data.params["classify__C"] == "3.0" and run.data.params["scale__with_mean"] == "True"
    assert run.data.params["steps"].startswith("[('scale', StandardScaler())")
    # Scoring is noted too, under the name that the client makes up for the table.
    assert [value for key, value in run.data.metrics.items() if key.startswith("Pipeline_score_")] == [score]
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert {m.key: m.value for m in model.metrics}["training_accuracy_score"] == run.data.metrics["training_accuracy_score"]
    assert {p: model.params[p] for p in ("classify__C", "scale__with_std")} == {"classify__C": "3.0", "scale__with_std": "True"}
    loaded = tracking.pyfunc.load_model(f"models:/{model.model_id}")
    assert np.array_equal(loaded.predict(FRAME), pipeline.predict(FRAME))


def test_a_grid_search_has_its_best_tries_as_children(tracking, client, autologged):
    search = GridSearchCV(LogisticRegression(), {"C": [0.001, 0.01, 1.0, 10.0]}, cv=2).fit(FRAME, LABEL)
    runs = {run.info.run_id: run for run in client.search_runs([autologged])}
    roots = [run for run in runs.values() if "mlflow.parentRunId" not in run.data.tags]
    assert len(roots) == 1
    root = roots[0]
    assert root.data.params["best_C"] == str(search.best_params_["C"])
    assert root.data.metrics["best_cv_score"] == search.best_score_
    assert "cv_results.csv" in artifacts(client, root)
    children = client.search_runs(
        [autologged], f"tags.mlflow.parentRunId = '{root.info.run_id}'", order_by=["metrics.mean_test_score DESC"]
    )
    assert len(children) == 3, "max_tuning_runs"
    assert {run.info.run_id for run in children} == set(runs) - {root.info.run_id}
    assert all(run.info.status == "FINISHED" for run in children)
    results = {
        str(params["C"]): score
        for params, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True)
    }
    for run in children:
        assert run.data.metrics["mean_test_score"] == results[run.data.params["C"]]
    scores = [run.data.metrics["mean_test_score"] for run in children]
    assert scores == sorted(results.values(), reverse=True)[:3]
    best = tracking.sklearn.load_model(f"runs:/{root.info.run_id}/best_estimator")
    assert np.array_equal(best.predict(FRAME), search.best_estimator_.predict(FRAME))


def test_xgboost_is_logged_round_by_round(tracking, client, autologged):
    data = xgboost.DMatrix(FRAME, label=LABEL)
    seen = {}
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 2, "nthread": 1},
        data,
        num_boost_round=12,
        evals=[(data, "train")],
        evals_result=seen,
        verbose_eval=False,
    )
    run = only_run(client, autologged)
    assert run.data.params["max_depth"] == "2" and run.data.params["num_boost_round"] == "12"
    assert history(client, run, "train-logloss") == seen["train"]["logloss"]
    assert run.data.metrics["train-logloss"] == seen["train"]["logloss"][-1]
    assert {"feature_importance_weight.json", "feature_importance_weight.png"} <= artifacts(client, run)
    importance = tracking.artifacts.load_dict(f"runs:/{run.info.run_id}/feature_importance_weight.json")
    assert importance == booster.get_score(importance_type="weight")
    model_id = run.outputs.model_outputs[0].model_id
    loaded = tracking.pyfunc.load_model(f"models:/{model_id}")
    assert np.allclose(loaded.predict(FRAME), booster.predict(data))


def test_xgboost_that_stops_early(tracking, client, autologged):
    # The model itself was tried above, and takes seconds.
    tracking.xgboost.autolog(log_models=False, silent=True)
    noise = np.random.default_rng(7).integers(0, 2, 40)
    with tracking.start_run():
        model = xgboost.XGBClassifier(n_estimators=60, max_depth=3, early_stopping_rounds=3, n_jobs=1)
        model.fit(FRAME, LABEL, eval_set=[(FRAME, noise)], verbose=False)
    run = only_run(client, autologged)
    assert run.data.params["num_boost_round"] == "60" and run.data.params["early_stopping_rounds"] == "3"
    assert run.data.metrics["best_iteration"] == model.best_iteration
    assert run.data.metrics["stopped_iteration"] == model.best_iteration + 3 < 59
    # The best round is noted once more, behind the last one.
    losses = model.evals_result()["validation_0"]["logloss"]
    assert history(client, run, "validation_0-logloss") == [*losses, losses[model.best_iteration]]
    assert not run.outputs.model_outputs


def test_lightgbm_is_logged_round_by_round(tracking, client, autologged):
    data = lightgbm.Dataset(FRAME, label=LABEL)
    seen = {}
    booster = lightgbm.train(
        {"objective": "binary", "min_data_in_leaf": 2, "num_leaves": 3, "verbose": -1, "num_threads": 1},
        data,
        num_boost_round=15,
        valid_sets=[data],
        valid_names=["train"],
        callbacks=[lightgbm.record_evaluation(seen)],
    )
    run = only_run(client, autologged)
    assert run.data.params["num_leaves"] == "3" and run.data.params["num_boost_round"] == "15"
    assert history(client, run, "train-binary_logloss") == seen["train"]["binary_logloss"]
    expected = {"feature_importance_gain.json", "feature_importance_split.json", "feature_importance_split.png"}
    assert expected <= artifacts(client, run)
    loaded = tracking.lightgbm.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
    assert np.allclose(loaded.predict(FRAME), booster.predict(FRAME))
