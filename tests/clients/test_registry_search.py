"""The registry asked and misused: searches, and what it refuses."""

import pytest
from mlflow.exceptions import MlflowException


def test_registered_models_are_searched(client, unique):
    for letter in "abc":
        client.create_registered_model(f"{unique}-{letter}", tags={"letter": letter}, description=f"model {letter}")
    found = client.search_registered_models(f"name LIKE '{unique}-%'")
    assert [m.name for m in found] == [f"{unique}-{letter}" for letter in "abc"]
    assert found[0].tags == {"letter": "a"} and found[0].description == "model a"
    found = client.search_registered_models(f"name LIKE '{unique}-%' and tags.letter = 'b'")
    assert [m.name for m in found] == [f"{unique}-b"]
    found = client.search_registered_models(f"name ILIKE '{unique.upper()}%'", order_by=["name DESC"], max_results=2)
    assert [m.name for m in found] == [f"{unique}-c", f"{unique}-b"] and found.token
    rest = client.search_registered_models(
        f"name ILIKE '{unique.upper()}%'", order_by=["name DESC"], max_results=2, page_token=found.token
    )
    assert [m.name for m in rest] == [f"{unique}-a"]
    with pytest.raises(MlflowException):
        client.search_registered_models("colour = 'x'")


def test_model_versions_are_searched(client, experiment, unique):
    client.create_registered_model(unique)
    runs = [client.create_run(experiment).info.run_id for _ in range(3)]
    for number, run in enumerate(runs):
        source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/model"
        client.create_model_version(unique, source, run_id=run, tags={"n": str(number)}, description=f"v{number}")

    def found(text, **arguments):
        return [int(v.version) for v in client.search_model_versions(f"name = '{unique}' and {text}", **arguments)]

    assert found("version_number >= 2", order_by=["version_number ASC"]) == [2, 3]
    assert found("version_number < 3", order_by=["version_number DESC"]) == [2, 1]
    assert found(f"run_id = '{runs[1]}'") == [2]
    assert sorted(found(f"run_id IN ('{runs[0]}', '{runs[2]}')")) == [1, 3]
    assert found(f"source_path LIKE '%{runs[2]}%'") == [3]
    assert found("tags.n = '0'") == [1]
    assert sorted(found("tags.n != '0'")) == [2, 3]
    everything = [int(v.version) for v in client.search_model_versions(f"name = '{unique}'")]
    assert everything == [3, 2, 1], "newest first"
    page = client.search_model_versions(f"name = '{unique}'", max_results=2, order_by=["version_number ASC"])
    rest = client.search_model_versions(
        f"name = '{unique}'", max_results=2, order_by=["version_number ASC"], page_token=page.token
    )
    assert [int(v.version) for v in [*page, *rest]] == [1, 2, 3]
    for bad in ("version = 1", "current_stage = 'None'", "status = 'READY'", "version_number = 'x'"):
        with pytest.raises(MlflowException):
            client.search_model_versions(bad)
    assert [v.description for v in client.search_model_versions(f"run_id = '{runs[0]}'")] == ["v0"]


@pytest.mark.parametrize("alias", ["latest", "v1", "V22", "a b", "x" * 256])
def test_aliases_that_are_refused(client, tracking, unique, alias):
    client.create_registered_model(unique)
    with pytest.raises(MlflowException, match="(?i)alias|constraint"):
        client.set_registered_model_alias(unique, alias, "1")


@pytest.mark.parametrize("source", ["/etc", "file:///etc", "../../etc", "file:///etc/%2e%2e/passwd"])
def test_a_version_cannot_point_at_the_servers_files(server, client, unique, source):
    client.create_registered_model(unique)
    answer = server.post("model-versions/create", {"name": unique, "source": source})
    assert answer.status_code == 400, answer.text
    assert client.search_model_versions(f"name = '{unique}'") == []


@pytest.mark.parametrize("name", ["a/b", "a:b", "  "])
def test_model_names_that_are_refused(server, name):
    answer = server.post("registered-models/create", {"name": name})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_the_short_forms_of_the_searches(tracking, client, unique):
    client.create_registered_model(unique, tags={"kind": "a"})
    client.create_registered_model(f"{unique}-2")
    models = tracking.search_registered_models(filter_string=f"name LIKE '{unique}%'", order_by=["name DESC"])
    assert [m.name for m in models] == [f"{unique}-2", unique]
    models = tracking.search_registered_models(filter_string=f"name LIKE '{unique}%' AND tags.kind != 'b'")
    assert [m.name for m in models] == [unique], "a model without the tag does not match"
    for _ in range(5):
        client.create_model_version(unique, "s3://bucket/model")
    versions = tracking.search_model_versions(filter_string=f"name = '{unique}'", max_results=3)
    assert [int(v.version) for v in versions] == [5, 4, 3]
    assert versions[0].source == "s3://bucket/model" and versions[0].run_id in ("", None)
