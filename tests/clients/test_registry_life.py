"""The registry over time: promoting, rolling back, stages, renaming, deleting."""

import pytest
from mlflow.exceptions import MlflowException


@pytest.fixture
def model(client, experiment, unique):
    """A registered model with four versions, each of a run of its own."""
    client.create_registered_model(unique, tags={"team": "fraud"}, description="finds fraud")
    for number in range(1, 5):
        run = client.create_run(experiment).info.run_id
        client.log_metric(run, "auc", 0.8 + number / 100)
        client.create_model_version(unique, f"runs:/{run}/model", run_id=run, tags={"number": str(number)})
    return unique


def stages(client, name) -> dict[int, str]:
    return {int(v.version): v.current_stage for v in client.search_model_versions(f"name = '{name}'")}


def latest(client, name, wanted=None) -> dict[str, int]:
    return {v.current_stage: int(v.version) for v in client.get_latest_versions(name, wanted)}


def test_promoting_and_rolling_back_with_aliases(client, model):
    def serving() -> int:
        return int(client.get_model_version_by_alias(model, "champion").version)

    client.set_registered_model_alias(model, "champion", "1")
    client.set_registered_model_alias(model, "challenger", "2")
    # The challenger is better: it becomes the champion, and the old one is kept at hand.
    client.set_model_version_tag(model, "2", "validation", "passed")
    old = serving()
    client.set_registered_model_alias(model, "previous", str(old))
    client.set_registered_model_alias(model, "champion", client.get_model_version_by_alias(model, "challenger").version)
    client.delete_registered_model_alias(model, "challenger")
    assert serving() == 2
    assert client.get_registered_model(model).aliases == {"champion": "2", "previous": "1"}
    assert client.get_model_version(model, "2").aliases == ["champion"]
    with pytest.raises(MlflowException, match="alias challenger not found"):
        client.get_model_version_by_alias(model, "challenger")
    # It was not better after all.
    client.set_registered_model_alias(model, "champion", client.get_model_version_by_alias(model, "previous").version)
    assert serving() == 1
    assert sorted(client.get_model_version(model, "1").aliases) == ["champion", "previous"]
    assert client.get_model_version(model, "2").aliases == []
    # Taking away what is not there is no mistake; pointing at nothing is one.
    client.delete_registered_model_alias(model, "never-was")
    with pytest.raises(MlflowException, match="not found"):
        client.set_registered_model_alias(model, "champion", "77")
    assert serving() == 1
    found = client.search_registered_models(f"name = '{model}'")[0]
    assert found.aliases == {"champion": "1", "previous": "1"}


def test_promoting_and_rolling_back_with_stages(client, model):
    assert set(stages(client, model).values()) == {"None"}
    client.transition_model_version_stage(model, "1", "Staging")
    client.transition_model_version_stage(model, "1", "Production")
    client.transition_model_version_stage(model, "2", "Staging")
    assert stages(client, model) == {1: "Production", 2: "Staging", 3: "None", 4: "None"}
    assert latest(client, model) == {"Production": 1, "Staging": 2, "None": 4}
    moved = client.transition_model_version_stage(model, "2", "production", archive_existing_versions=True)
    assert moved.current_stage == "Production", "whatever its letters"
    assert stages(client, model) == {1: "Archived", 2: "Production", 3: "None", 4: "None"}
    assert latest(client, model, ["Production"]) == {"Production": 2}
    assert latest(client, model, ["Staging"]) == {}
    # Back again: both stay in production when nobody asks to archive.
    client.transition_model_version_stage(model, "1", "Production")
    assert stages(client, model) == {1: "Production", 2: "Production", 3: "None", 4: "None"}
    assert latest(client, model, ["Production"]) == {"Production": 2}
    client.transition_model_version_stage(model, "1", "Production", archive_existing_versions=True)
    assert stages(client, model) == {1: "Production", 2: "Archived", 3: "None", 4: "None"}
    with pytest.raises(MlflowException, match="Invalid Model Version stage"):
        client.transition_model_version_stage(model, "1", "Live")
    with pytest.raises(MlflowException, match="not found"):
        client.transition_model_version_stage(model, "9", "Staging")
    listed = {v.current_stage: int(v.version) for v in client.get_registered_model(model).latest_versions}
    assert listed == {"Production": 1, "Archived": 2, "None": 4}


def test_renaming_takes_everything_along(client, model):
    client.set_registered_model_alias(model, "champion", "3")
    client.transition_model_version_stage(model, "4", "Staging")
    new = f"{model}-new"
    client.rename_registered_model(model, new)
    with pytest.raises(MlflowException, match="not found"):
        client.get_registered_model(model)
    got = client.get_registered_model(new)
    assert got.tags == {"team": "fraud"} and got.description == "finds fraud" and got.aliases == {"champion": "3"}
    versions = {int(v.version): v for v in client.search_model_versions(f"name = '{new}'")}
    assert {n: v.tags["number"] for n, v in versions.items()} == {n: str(n) for n in (1, 2, 3, 4)}
    assert versions[4].current_stage == "Staging" and versions[3].aliases == ["champion"]
    # The old name is free; the new one is not.
    client.create_registered_model(model)
    with pytest.raises(MlflowException, match="already exists"):
        client.rename_registered_model(model, new)


def test_a_deleted_version_is_gone_and_its_number_is_not_given_again(client, model):
    client.set_registered_model_alias(model, "last", "4")
    client.delete_model_version(model, "4")
    with pytest.raises(MlflowException, match="not found"):
        client.get_model_version(model, "4")
    with pytest.raises(MlflowException, match="alias last not found"):
        client.get_model_version_by_alias(model, "last")
    assert client.get_registered_model(model).aliases == {}
    assert sorted(stages(client, model)) == [1, 2, 3]
    assert latest(client, model) == {"None": 3}
    run = client.get_model_version(model, "1").run_id
    assert int(client.create_model_version(model, f"runs:/{run}/model", run_id=run).version) == 5
    with pytest.raises(MlflowException, match="not found"):
        client.delete_model_version(model, "4")


def test_a_deleted_model_leaves_nothing(client, model):
    client.set_registered_model_alias(model, "champion", "1")
    client.delete_registered_model(model)
    assert client.search_registered_models(f"name = '{model}'") == []
    assert client.search_model_versions(f"name = '{model}'") == []
    for ask in (
        lambda: client.get_registered_model(model),
        lambda: client.get_model_version(model, "1"),
        lambda: client.delete_registered_model(model),
        lambda: client.get_latest_versions(model),
    ):
        with pytest.raises(MlflowException, match="not found"):
            ask()
    # Nothing of the old one shows in a new one of the same name.
    client.create_registered_model(model)
    fresh = client.get_registered_model(model)
    assert (fresh.tags, fresh.aliases, fresh.latest_versions) == ({}, {}, [])
    assert not fresh.description


def test_descriptions_and_tags_change(client, model):
    before = client.get_registered_model(model).last_updated_timestamp
    client.update_registered_model(model, description="finds *more* fraud")
    client.set_registered_model_tag(model, "team", "risk")
    client.set_registered_model_tag(model, "long", "v" * 3000)
    client.update_model_version(model, "2", description="the second ü")
    client.set_model_version_tag(model, "2", "number", "two")
    client.delete_model_version_tag(model, "1", "number")
    got = client.get_registered_model(model)
    assert got.description == "finds *more* fraud" and got.tags == {"team": "risk", "long": "v" * 3000}
    assert got.last_updated_timestamp >= before
    client.delete_registered_model_tag(model, "long")
    assert client.get_registered_model(model).tags == {"team": "risk"}
    second = client.get_model_version(model, "2")
    assert second.description == "the second ü" and second.tags == {"number": "two"}
    assert client.get_model_version(model, "1").tags == {}
    # By stage instead of by number, as the client offers.
    client.transition_model_version_stage(model, "3", "Staging")
    client.set_model_version_tag(model, key="via", value="stage", stage="Staging")
    assert client.get_model_version(model, "3").tags["via"] == "stage"


def test_pages_hold_every_model_once(client, unique):
    names = [f"{unique}-{n:02}" for n in range(23)]
    for name in names:
        client.create_registered_model(name)
    found, token = [], None
    while True:
        page = client.search_registered_models(f"name LIKE '{unique}%'", max_results=5, page_token=token)
        found += [m.name for m in page]
        token = page.token
        if not token:
            break
    assert found == names
