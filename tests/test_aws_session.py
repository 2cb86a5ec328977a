"""botocore's data files as the suite reads them: once, without prose, and otherwise the same."""

import json
from pathlib import Path

import botocore.session  # noqa: TID251  what ours is held against
import pytest

from fixtures.aws_session import aws_session

SERVICES = ("account", "cloudformation", "cloudwatch", "kms", "lambda", "logs", "organizations", "s3", "sns", "sts")


def without_prose(found: object) -> object:
    if isinstance(found, dict):
        shown = {name: without_prose(value) for name, value in found.items()}
        return {name: "" if name == "documentation" and isinstance(value, str) else value
                for name, value in shown.items()}  # fmt: skip
    return [without_prose(value) for value in found] if isinstance(found, list) else found


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_model_is_botocores_own_without_its_prose(service: str) -> None:
    ours = aws_session().get_service_model(service)
    theirs = botocore.session.get_session().get_service_model(service)
    name = next(iter(theirs.operation_names))

    assert ours.operation_names == theirs.operation_names
    assert (theirs.operation_model(name).documentation, ours.operation_model(name).documentation)[1] == ""
    for shape in theirs.shape_names:
        told = [without_prose(dict(model.shape_for(shape).metadata)) for model in (ours, theirs)]
        assert told[0] == told[1]
    for data in ("endpoint-rule-set-1", "paginators-1"):
        read = [
            session.get_component("data_loader").load_service_model(service, data)
            for session in (aws_session(), botocore.session.get_session())
        ]
        assert json.dumps(read[0]) == json.dumps(without_prose(read[1]))


def test_what_was_read_is_shared_by_all_sessions() -> None:
    one, other = aws_session(), aws_session()
    assert one.get_component("data_loader") is other.get_component("data_loader")
    assert one.get_data("partitions") is other.get_data("partitions")


def test_models_of_the_users_own_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine" / "2026-11-24"
    folder.mkdir(parents=True)
    model = {"metadata": {"endpointPrefix": "mine"}, "operations": {}, "shapes": {}, "documentation": "prose"}
    (folder / "service-2.json").write_text(json.dumps(model), encoding="utf-8")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))

    assert aws_session().get_service_data("mine")["metadata"] == {"endpointPrefix": "mine"}


def test_a_profile_that_does_not_exist_is_told_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    session = aws_session()
    with pytest.raises(botocore.exceptions.ProfileNotFound):
        session.get_credentials()
