"""botocore's data files as the suite reads them: once, without prose, and otherwise the same."""

import json
from pathlib import Path

import botocore.session  # noqa: TID251  what ours is held against
import botocore.utils  # noqa: TID251  as above
import pytest

from fixtures.aws_session import aws_session, in_utc

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


TIMES = (
    0, 1700000000, 1700000000.123, "1700000000", "2026-11-24T12:34:56Z", "2026-11-24T12:34:56.789Z",
    "2026-11-24T12:34:56+02:00", "2026-11-24T12:34:56", "Tue, 24 Nov 2026 12:34:56 GMT", "20261124T123456Z",
)  # fmt: skip


@pytest.mark.parametrize("written", TIMES, ids=repr)
def test_a_time_is_read_as_botocore_reads_it(written: str | float) -> None:
    theirs = botocore.utils.parse_timestamp(written)  # type: ignore[arg-type]  # it takes numbers as well
    ours = in_utc(written)
    assert (ours.tzinfo is None) == (theirs.tzinfo is None)
    assert ours == theirs


@pytest.mark.parametrize("odd", ["", "soon", None, 1e300, [], "2026-13-45T00:00:00Z"], ids=repr)
def test_what_is_no_time_is_refused_as_botocore_refuses_it(odd: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011  whatever it is
        botocore.utils.parse_timestamp(odd)
    with pytest.raises(theirs.type):
        in_utc(odd)
