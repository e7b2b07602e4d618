"""Models: every name they are loaded by, signatures and examples, copies."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from samples import FRAME, LABEL, fitted, log_model
from sklearn.linear_model import LogisticRegression


def never() -> LogisticRegression:
    """A model that says 0 to everything, to be told apart from the others."""
    model = fitted()
    model.coef_[:] = 0
    model.intercept_[:] = -1
    return model


@pytest.fixture
def registered(tracking, client, unique):
    """A name with three versions; the second says 0 to everything."""
    tracking.set_experiment(unique)
    runs = []
    for model in (None, never(), None):
        with tracking.start_run() as run:
            log_model(tracking, unique, model)
        runs.append(run.info.run_id)
    return unique, runs


def says(uri: str) -> list[int]:
    return [int(value) for value in mlflow.pyfunc.load_model(uri).predict(FRAME.tail(2))]


def test_a_version_is_loaded_by_all_its_names(client, registered):
    name, runs = registered
    logged = client.get_logged_model(client.get_model_version(name, "1").source.removeprefix("models:/"))
    assert name in logged.tags["mlflow.modelVersions"] and logged.source_run_id == runs[0]
    client.set_registered_model_alias(name, "never", "2")
    client.transition_model_version_stage(name, "2", "Production")
    client.transition_model_version_stage(name, "3", "Staging")
    source = client.get_model_version(name, "2").source
    for uri in (
        f"models:/{name}/2",
        f"models:/{name}@never",
        f"models:/{name}/Production",
        source,
        f"runs:/{runs[1]}/model",
    ):
        assert says(uri) == [0, 0], uri
    for uri in (f"models:/{name}/1", f"models:/{name}/3", f"models:/{name}/latest", f"models:/{name}/Staging"):
        assert says(uri) == [1, 1], uri
    with pytest.raises(MlflowException, match="not found"):
        says(f"models:/{name}@nobody")
    with pytest.raises(MlflowException, match="No versions of model"):
        says(f"models:/{name}/Archived")
    with pytest.raises(MlflowException, match="not found"):
        says(f"models:/{name}/9")


def test_the_signature_and_the_example_travel_with_the_model(tracking, client, registered, tmp_path):
    name, _ = registered
    loaded = tracking.pyfunc.load_model(f"models:/{name}/1")
    signature = loaded.metadata.signature
    assert signature.inputs.input_names() == ["x", "z"] and len(signature.outputs.inputs) == 1
    pd.testing.assert_frame_equal(loaded.input_example, FRAME.head(3))
    with pytest.raises(MlflowException, match="(?i)schema"):
        loaded.predict(FRAME[["x"]])
    info = tracking.models.get_model_info(f"models:/{name}/1")
    assert info.signature == signature and info.model_id == loaded.model_id
    # A signature can be given afterwards; the files on the server change.
    with tracking.start_run():
        bare = tracking.sklearn.log_model(fitted(), name="bare", pip_requirements=["scikit-learn"])
    assert tracking.models.get_model_info(bare.model_uri).signature is None
    tracking.models.set_signature(bare.model_uri, signature)
    assert Model.load(bare.model_uri).signature == signature
    folder = tracking.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path))
    assert {"MLmodel", "requirements.txt", "input_example.json"} <= {p.name for p in tmp_path.rglob("*")}, folder


def test_a_function_as_a_model_with_files_of_its_own(tracking, unique, tmp_path):
    class Adder(tracking.pyfunc.PythonModel):
        def load_context(self, context):
            with open(context.artifacts["offset"]) as file:
                self.offset = float(file.read())

        def predict(self, context, model_input, params=None):
            return model_input["x"] + self.offset * (params or {}).get("times", 1)

    (tmp_path / "offset.txt").write_text("2.5")
    tracking.set_experiment(unique)
    with tracking.start_run():
        info = tracking.pyfunc.log_model(
            name="adder",
            python_model=Adder(),
            artifacts={"offset": str(tmp_path / "offset.txt")},
            signature=tracking.models.infer_signature(FRAME[["x"]], FRAME["x"], params={"times": 1}),
            metadata={"kind": "adder"},
            registered_model_name=unique,
            pip_requirements=["pandas"],
        )
    loaded = tracking.pyfunc.load_model(f"models:/{unique}/1")
    assert np.allclose(loaded.predict(FRAME[["x"]], params={"times": 2}), FRAME["x"] + 5)
    assert loaded.metadata.metadata == {"kind": "adder"}
    assert loaded.unwrap_python_model().offset == 2.5
    assert int(info.registered_model_version) == 1


def test_two_models_of_one_run(tracking, client, unique):
    tracking.set_experiment(unique)
    with tracking.start_run() as run:
        tracking.log_metric("loss", 0.5, step=1)
        yes = tracking.sklearn.log_model(fitted(), name="yes", step=1, pip_requirements=["scikit-learn"])
        tracking.log_metric("loss", 0.25, step=2)
        no = tracking.sklearn.log_model(never(), name="no", step=2, pip_requirements=["scikit-learn"])
    outputs = {o.model_id: o.step for o in client.get_run(run.info.run_id).outputs.model_outputs}
    assert outputs == {yes.model_id: 1, no.model_id: 2}
    assert says(f"runs:/{run.info.run_id}/yes") == [1, 1] and says(f"runs:/{run.info.run_id}/no") == [0, 0]
    # A model has the metrics that stood when it was logged, and those logged later with its name.
    assert {(m.step, m.value) for m in client.get_logged_model(yes.model_id).metrics} >= {(1, 0.5)}
    assert {(m.step, m.value) for m in client.get_logged_model(no.model_id).metrics} >= {(2, 0.25)}


def test_registering_what_a_run_logged(tracking, client, unique):
    tracking.set_experiment(unique)
    with tracking.start_run() as run:
        info = log_model(tracking)
    first = tracking.register_model(f"runs:/{run.info.run_id}/model", unique, tags={"from": "run"})
    second = tracking.register_model(info.model_uri, unique, tags={"from": "model"})
    third = tracking.register_model(f"models:/{unique}/1", f"{unique}-other")
    assert [int(v.version) for v in (first, second, third)] == [1, 2, 1]
    for version in (first, second, third):
        got = client.get_model_version(version.name, version.version)
        assert got.run_id == run.info.run_id and got.status == "READY", version.source
        assert says(f"models:/{version.name}/{version.version}") == [1, 1]
    assert client.get_model_version(unique, "2").tags == {"from": "model"}
    with pytest.raises(MlflowException):
        tracking.register_model(f"runs:/{run.info.run_id}/nothing", unique)
    with pytest.raises(MlflowException, match="not found"):
        tracking.register_model(f"runs:/{'0' * 32}/model", unique)


def test_copying_a_version(client, registered):
    name, runs = registered
    client.set_model_version_tag(name, "2", "seen", "yes")
    client.set_registered_model_alias(name, "best", "2")
    copy = client.copy_model_version(f"models:/{name}/2", f"{name}-live")
    assert (copy.name, int(copy.version), copy.source) == (f"{name}-live", 1, f"models:/{name}/2")
    assert copy.run_id == runs[1]
    again = client.copy_model_version(f"models:/{name}@best", f"{name}-live")
    assert int(again.version) == 2
    client.set_registered_model_alias(f"{name}-live", "now", "1")
    # A copy of a copy, and into its own model.
    third = client.copy_model_version(f"models:/{name}-live@now", name)
    assert int(third.version) == 4
    for uri in (f"models:/{name}-live/1", f"models:/{name}-live/2", f"models:/{name}-live@now", f"models:/{name}/4"):
        assert says(uri) == [0, 0], uri
    # The copy is a version of its own: it stays when the other goes.
    client.delete_model_version(name, "2")
    assert says(f"models:/{name}-live/1") == [0, 0]
    assert says(f"models:/{name}/1") == [1, 1]
    with pytest.raises(MlflowException, match="not found"):
        client.copy_model_version(f"models:/{name}/9", f"{name}-live")


def test_the_download_address_of_a_version(client, registered):
    name, _ = registered
    uri = client.get_model_version_download_uri(name, "1")
    model = client.get_logged_model(client.get_model_version(name, "1").source.removeprefix("models:/"))
    assert uri == model.artifact_location
    copy = client.copy_model_version(f"models:/{name}/1", f"{name}-copy")
    assert client.get_model_version_download_uri(copy.name, copy.version) == uri


@pytest.mark.parametrize("flavor", ["xgboost", "lightgbm"])
def test_boosted_models_are_registered_and_loaded(tracking, unique, flavor):
    import lightgbm
    import xgboost

    tracking.set_experiment(unique)
    if flavor == "xgboost":
        model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(FRAME, LABEL)
        info = tracking.xgboost.log_model(
            model, name="m", registered_model_name=unique, model_format="ubj", pip_requirements=["xgboost-cpu"]
        )
    else:
        model = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, n_jobs=1, verbose=-1).fit(FRAME, LABEL)
        info = tracking.lightgbm.log_model(
            model, name="m", registered_model_name=unique, pip_requirements=["lightgbm"]
        )
    loaded = getattr(tracking, flavor).load_model(f"models:/{unique}/latest")
    assert np.array_equal(loaded.predict(FRAME), model.predict(FRAME))
    assert flavor in tracking.models.get_model_info(info.model_uri).flavors
