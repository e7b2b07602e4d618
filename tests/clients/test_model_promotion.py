"""Promotion: rules, history, rollback and undo, as the stock client and Slipway's own API see them."""

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import mlflow
import pytest
from mlflow.exceptions import MlflowException

pytestmark = pytest.mark.slipway

NAMES = ["fraud model", "100% sure", "ціна-价格-цена", "a..b&c=d#e?f", "x" * 250]


def own(server, path, body=None, status=200):
    answer = server.own("POST", path, json=body) if body is not None else server.own("GET", path)
    assert answer.status_code == status, answer.text
    return answer.json()


def history(server, name, **query):
    answer = server.own("GET", "/models/history", params={"name": name, "limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["entries"]


def version(client, server, name, columns=("amount", "hour"), files=True, **metrics):
    """A version whose run measured `metrics`, with an `MLmodel` file whose inputs are `columns`."""
    run = client.create_run("0")
    for key, value in metrics.items():
        client.log_metric(run.info.run_id, key, value)
    if files:
        inputs = ", ".join(f'{{"type": "double", "name": "{column}", "required": true}}' for column in columns)
        client.log_text(
            run.info.run_id,
            "flavors:\n  python_function: {loader_module: nothing, python_version: 3.11.2}\n"
            f"signature:\n  inputs: '[{inputs}]'\n  outputs: null\n",
            "model/MLmodel",
        )
        client.log_text(run.info.run_id, "bytes of the model", "model/model.bin")
    source = f"runs:/{run.info.run_id}/model"
    return int(client.create_model_version(name, source, run_id=run.info.run_id).version)


@pytest.fixture
def client(server):
    return mlflow.MlflowClient(server.url, server.url)


@pytest.fixture
def model(client):
    name = f"model-{uuid.uuid4().hex[:8]}"
    client.create_registered_model(name)
    return name


def rule(kind, targets=(), **fields):
    return {"targets": list(targets), "check": {"kind": kind, **fields}}


def alias(name):
    return {"kind": "alias", "alias": name}


def test_a_worse_version_is_refused_to_everyone_and_nothing_moves(client, server, model):
    first = version(client, server, model, auc=0.90)
    worse = version(client, server, model, auc=0.89)
    better = version(client, server, model, auc=0.91)
    auc = rule("metric", [alias("champion"), {"kind": "stage", "stage": "Production"}],
               metric="auc", direction="higher", tolerance=0.0)
    own(server, "/models/rules", {"name": model, "rules": [auc]})
    client.set_registered_model_alias(model, "champion", str(first))
    client.transition_model_version_stage(model, str(first), "Production")

    with pytest.raises(MlflowException, match="auc is 0.89, worse than 0.9 of version 1") as refused:
        client.set_registered_model_alias(model, "champion", str(worse))
    assert refused.value.error_code == "PERMISSION_DENIED"
    with pytest.raises(MlflowException, match="worse than"):
        client.transition_model_version_stage(model, str(worse), "Production", archive_existing_versions=True)
    own(server, "/models/promote", {"name": model, "version": worse, "target": alias("champion")}, status=409)
    assert client.get_model_version_by_alias(model, "champion").version == str(first)
    # Aliases and stages that the rule does not guard are free.
    client.set_registered_model_alias(model, "tried", str(worse))
    client.transition_model_version_stage(model, str(worse), "Staging")

    preview = own(server, "/models/promotion/preview", {"name": model, "version": worse, "target": alias("champion")})
    assert (preview["holder"], preview["allowed"], preview["rules"][0]["passed"]) == (first, False, False)
    delta = next(row for row in preview["diff"]["metrics"] if row["metric"]["key"] == "auc")
    assert delta["deltas"][1] == pytest.approx(-0.01) and delta["better"][1] is False

    client.set_registered_model_alias(model, "champion", str(better))
    moves = [entry for entry in history(server, model) if entry["subject"] == "champion"]
    assert [(entry["from"], entry["to"]) for entry in moves] == [("1", "3"), (None, "1")]
    assert {entry["action"] for entry in moves} == {"promotion"}
    assert moves[0]["via"] == "MLflow client" and moves[0]["user"]


def test_rules_on_tags_notes_and_signatures(client, server, model):
    first = version(client, server, model, auc=0.9)
    other = version(client, server, model, columns=("amount", "hour", "country"), auc=0.95)
    same = version(client, server, model, columns=("hour", "amount"), auc=0.95)
    client.set_registered_model_alias(model, "champion", str(first))
    own(server, "/models/rules", {"name": model, "rules": [rule("signature"), rule("tag", key="checked", value="yes"), rule("note")]})

    with pytest.raises(MlflowException) as refused:
        client.set_registered_model_alias(model, "champion", str(other))
    for reason in ("input `country` is new and required", "no tag 'checked'", "a note has to say why"):
        assert reason in str(refused.value)
    client.set_model_version_tag(model, str(same), "checked", "yes")
    # The stock client cannot say why, so a rule that asks for it needs Slipway's own call.
    with pytest.raises(MlflowException, match="a note has to say why"):
        client.set_registered_model_alias(model, "champion", str(same))
    done = own(server, "/models/promote", {"name": model, "version": same, "target": alias("champion"), "note": "weekly"})
    assert (done["previous"], done["version"]) == (first, same)
    assert history(server, model)[0]["note"] == "weekly"


def test_rollback_checks_files_and_undo_gives_back(client, server, model):
    first = version(client, server, model, auc=0.9)
    second = version(client, server, model, auc=0.95)
    for number in (first, second):
        client.set_registered_model_alias(model, "champion", str(number))
        client.transition_model_version_stage(model, str(number), "Production", archive_existing_versions=True)
    own(server, "/models/rules", {"name": model, "rules": [rule("metric", metric="auc", direction="higher")]})
    wait_until_recorded(server, model, first)

    # The rules keep worse versions from coming in; they do not keep an earlier one from coming back.
    done = own(server, "/models/rollback", {"name": model, "target": alias("champion"), "note": "too slow"})
    assert (done["previous"], done["version"]) == (second, first)
    entry = history(server, model)[0]
    assert (entry["action"], entry["note"], entry["can_undo"]) == ("rollback", "too slow", True)
    done = own(server, "/models/undo", {"history_id": done["history_id"]})
    assert (done["previous"], done["version"]) == (first, second)
    entry = history(server, model)[0]
    assert (entry["action"], entry["undoes_id"]) == ("undo", done["history_id"] - 1)
    # What was taken back cannot be taken back once more.
    own(server, "/models/undo", {"history_id": entry["undoes_id"]}, status=409)

    stage = {"kind": "stage", "stage": "Production"}
    done = own(server, "/models/rollback", {"name": model, "target": stage})
    assert done["version"] == first
    assert client.get_model_version(model, str(second)).current_stage == "Archived"
    own(server, "/models/undo", {"history_id": done["history_id"]})
    assert client.get_model_version(model, str(second)).current_stage == "Production"
    assert client.get_model_version(model, str(first)).current_stage == "Archived"

    # A version that was never there is no earlier one.
    third = version(client, server, model, auc=0.5)
    own(server, "/models/rollback", {"name": model, "target": alias("champion"), "version": third}, status=400)

    # Files that changed since are said, and refused unless that is wanted.
    run_id = client.get_model_version(model, str(first)).run_id
    client.log_text(run_id, "other bytes", "model/model.bin")
    checked = server.own("GET", "/models/version/files/check", params={"name": model, "version": first}).json()
    assert checked["state"] == "changed" and [change["path"] for change in checked["changes"]] == ["model.bin"]
    assert checked["changes"][0]["sha256"] == hashlib.sha256(b"other bytes").hexdigest()
    body = {"name": model, "target": alias("champion"), "version": first}
    refused = own(server, "/models/rollback", body, status=409)
    assert "1 files are not what they were" in refused["message"]
    assert own(server, "/models/rollback", body | {"force": True})["version"] == first


def wait_until_recorded(server, name, number):
    import time

    for _ in range(100):
        found = server.own("GET", "/models/version", params={"name": name, "version": number}).json()
        if found["files"]["recorded"]:
            return found
        time.sleep(0.05)
    raise AssertionError("the files of the version were not recorded")


def test_twenty_clients_make_versions_and_move_one_alias(client, server, model):
    def create(_):
        return version(mlflow.MlflowClient(server.url, server.url), server, model, files=False, auc=0.9)

    with ThreadPoolExecutor(20) as pool:
        numbers = sorted(pool.map(create, range(20)))
    assert numbers == list(range(1, 21))
    own(server, "/models/rules", {"name": model, "rules": [rule("signature"), rule("metric", metric="auc", direction="higher")]})

    def move(number):
        mlflow.MlflowClient(server.url, server.url).set_registered_model_alias(model, "champion", str(number))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(move, numbers))
    moves = [entry for entry in reversed(history(server, model)) if entry["subject"] == "champion"]
    assert len(moves) == 20
    # Each took over from the one before it, and the last one holds it.
    assert [entry["from"] for entry in moves] == [None] + [entry["to"] for entry in moves[:-1]]
    assert client.get_model_version_by_alias(model, "champion").version == moves[-1]["to"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
def test_any_name_works_everywhere(client, server, name):
    client.create_registered_model(name, tags={"team": "risk"}, description="# Notes")
    number = version(client, server, name, auc=0.9)
    client.set_registered_model_alias(name, "champion", str(number))
    client.set_model_version_tag(name, str(number), "k/v: x", "w")
    found = server.own("GET", "/models/one", params={"name": name}).json()
    assert found["model"]["aliases"] == [{"alias": "champion", "version": 1}]
    assert found["model"]["best"]["value"] == 0.9
    page = server.own("GET", "/models/version", params={"name": name, "version": 1}).json()
    assert page["card"]["signature"]["inputs"][0] == {"name": "amount", "type": "double", "required": True, "default": None}
    assert {entry["kind"] for entry in history(server, name)} == {"alias_moved", "model_created", "version_created", "version_tag_set"}
    listed = own(server, "/models/search", {"search": name[:40].upper() if name.isascii() else name})
    assert name in [row["name"] for row in listed["models"]]
    for bad in ("a/b", "a:b"):
        with pytest.raises(MlflowException, match="cannot contain"):
            client.create_registered_model(bad)
    client.rename_registered_model(name, "renamed")
    assert history(server, "renamed")[0]["kind"] == "model_renamed"
    client.delete_registered_model("renamed")
    assert history(server, "renamed")[0]["kind"] == "model_deleted"


def test_search_by_alias_stage_metric_and_run(client, server, model):
    good, bad = version(client, server, model, files=False, auc=0.9), version(client, server, model, files=False, auc=0.1)
    client.set_registered_model_alias(model, "champion", str(good))
    client.transition_model_version_stage(model, str(bad), "Staging")
    run_id = client.get_model_version(model, str(good)).run_id
    for text, expected in [
        ("alias = 'champion'", True),
        ("alias = 'nobody'", False),
        ("stage = 'Staging' AND metrics.auc > 0.5", True),
        ("metrics.auc > 0.95", False),
        (f"run_id = '{run_id}'", True),
        ("alias IS NULL", False),
    ]:
        found = own(server, "/models/search", {"filter": f"name = '{model}' AND {text}"})
        assert bool(found["total"]) == expected, text
    found = own(server, "/models/versions", {"name": model, "filter": "metrics.auc < 0.5", "metrics": [{"key": "auc"}]})
    assert [(row["version"], row["metrics"]) for row in found["versions"]] == [(bad, [0.1])]
    failure = own(server, "/models/search", {"filter": "nothing = 'x'"}, status=400)
    assert "nothing" in failure["message"] and failure["span"]


def test_a_version_whose_files_are_gone_says_so(client, server, model):
    first, second = version(client, server, model, auc=0.9), version(client, server, model, files=False, auc=0.9)
    wait_until_recorded(server, model, first)
    page = server.own("GET", "/models/version", params={"name": model, "version": second}).json()
    assert page["files"]["problem"] and page["card"] is None
    checked = server.own("GET", "/models/version/files/check", params={"name": model, "version": second}).json()
    assert checked["state"] == "missing"
    for number in (second, first):
        client.set_registered_model_alias(model, "champion", str(number))
    refused = own(server, "/models/rollback", {"name": model, "target": alias("champion")}, status=409)
    assert "gone" in refused["message"]


def test_a_model_logged_without_a_step_is_measured_by_what_its_run_measured_last(client, server, tracking, unique):
    """The stock client copies the metrics of step 0 to a model that is logged without a step."""

    def train(name, values, **step):
        with tracking.start_run():
            for number, value in enumerate(values):
                tracking.log_metric("auc", value, step=number)
            info = tracking.pyfunc.log_model(name="m", python_model=lambda model_input: model_input, pip_requirements=[], **step)
        return info, int(client.create_model_version(name, f"models:/{info.model_id}", model_id=info.model_id, run_id=info.run_id).version)

    def auc(number):
        page = server.own("GET", "/models/version", params={"name": unique, "version": number}).json()
        return next(entry["value"] for entry in page["metrics"] if entry["metric"]["key"] == "auc" and not entry["metric"].get("dataset"))

    tracking.set_experiment(unique)
    client.create_registered_model(unique)
    _, trained = train(unique, [0.5, 0.7, 0.9])
    _, worse = train(unique, [0.6, 0.7, 0.8])
    _, checkpoint = train(unique, [0.5, 0.95, 0.4], step=1)
    info, measured = train(unique, [0.1, 0.2])
    # What was measured of the model itself afterwards counts, whatever the step.
    client.log_metric(info.run_id, "auc", 0.77, step=0, model_id=info.model_id)
    assert [auc(number) for number in (trained, worse, checkpoint, measured)] == [0.9, 0.8, 0.95, 0.77]
    shown = own(server, "/models/versions", {"name": unique, "metrics": [{"key": "auc"}], "order_by": "metric", "order_metric": {"key": "auc"}})
    assert [(row["version"], row["metrics"]) for row in shown["versions"]] == [(checkpoint, [0.95]), (trained, [0.9]), (worse, [0.8]), (measured, [0.77])]
    own(server, "/models/rules", {"name": unique, "rules": [rule("metric", metric="auc", direction="higher")]})
    client.set_registered_model_alias(unique, "champion", str(trained))
    with pytest.raises(MlflowException, match="0.8"):
        client.set_registered_model_alias(unique, "champion", str(worse))
    client.set_registered_model_alias(unique, "champion", str(checkpoint))


def test_what_the_filter_box_offers_of_the_registry(client, server, model):
    number = version(client, server, model, files=False, auc=0.25)
    client.set_registered_model_tag(model, "cost centre", "it's 7")
    client.set_model_version_tag(model, str(number), "reviewed", "yes")
    client.set_registered_model_alias(model, "shadow", str(number))

    def offered(text, scope="versions", cursor=None):
        body = {"text": text, "scope": scope, "name": model if scope == "versions" else "", "cursor": cursor}
        return [item["text"] for item in own(server, "/models/suggest", body)["items"]]

    assert "tags.`cost centre`" in offered("cost", "models")
    assert '"it\'s 7"' in offered("tags.`cost centre` = ", "models")
    assert f"'{model}'" in offered(f"name = '{model[:10]}", "models")
    assert offered("alias = ") == ["'shadow'"] and offered("tags.reviewed = ") == ["'yes'"]
    assert offered("metrics.auc > ")[0] == "0.25"
    assert offered("stage = 'Pro") == ["'Production'"]
    assert "name" not in offered("") and "version_number" in offered("")
    assert offered("stage = 'None' ") == ["AND", "OR"]
    # Whatever is offered can be searched by.
    for field in offered(""):
        if field in ("NOT", "("):
            continue
        for operator in offered(f"{field} "):
            begun = f"{field} {operator} "
            values = [""] if "NULL" in operator else offered(begun + ("(" if operator == "IN" else "")) or ["1" if field == "version_number" else "'x'"]
            for value in values[:3]:
                text = begun + {"IN": f"({value})", "BETWEEN": f"{value} AND {value}"}.get(operator, value)
                own(server, "/models/versions", {"name": model, "filter": text})
