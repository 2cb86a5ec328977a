"""Values and refusals of every option that takes a value."""

import shlex
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.option_values import CONSENTS
from tests.some_options import parsed

VALUES = {
    "one-region": ("--regions=us-east-1", "regions", ("us-east-1",)),
    "regions-with-spaces": ("--regions=us-east-1, eu-west-1", "regions", ("us-east-1", "eu-west-1")),
    "a-region-twice": ("--regions=us-east-1,us-east-1", "regions", ("us-east-1",)),
    "all": ("--regions=all", "regions", ("all",)),
    "accounts": ("--accounts=111122223333,444455556666", "accounts", ("111122223333", "444455556666")),
    "leading-zero": ("--accounts=000011112222", "accounts", ("000011112222",)),
    "globs": ("--forwarders=cloud*,waf-?", "forwarders", ("cloud*", "waf-?")),
    "checks": ("--checks=stack-healthy", "checks", ("stack-healthy",)),
    "role": ("--role=Audit", "role", "Audit"),
    "role-with-path": ("--role=security/audit/Audit", "role", "security/audit/Audit"),
    "external-id": ("--external-id=a:b/c-1", "external_id", "a:b/c-1"),
    "home-folder": ("--release=~/downloads", "release", Path("~/downloads").expanduser()),
    "hours": ("--log-window=24h", "log_window", timedelta(hours=24)),
    "days": ("--log-window=90d", "log_window", timedelta(days=90)),
    "seconds": ("--proof-timeout=90s", "proof_timeout", timedelta(seconds=90)),
    "minutes": ("--proof-timeout=1m", "proof_timeout", timedelta(minutes=1)),
    "consents": (f"--allow={','.join(CONSENTS)}", "allow", frozenset(CONSENTS)),
    "fail-on": ("--fail-on=finding,no-evidence", "fail_on", frozenset({"finding", "no-evidence"})),
    "limit": ("--fix-limit=5", "fix_limit", 5),
    "limit-of-none": ("--fix-limit=0", "fix_limit", 0),
    "test-event-of-an-object": ("--send-test-event", "send_test_event", True),
    "test-event-file": ("--send-test-event=event.json", "test_event", Path("event.json")),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_parsed(name: str) -> None:
    words, field, expected = VALUES[name]
    assert getattr(parsed(words), field) == expected


DEFAULTS = {
    "regions": (),
    "accounts": (),
    "role": None,
    "release": None,
    "log_window": timedelta(hours=24),
    "proof_timeout": timedelta(minutes=15),
    "fail_on": frozenset({"finding", "unknown"}),
    "fix_limit": 100,
    "allow": frozenset(),
    "send_test_event": False,
    "test_event": None,
    "looks": False,
    "may_write": False,
}


@pytest.mark.parametrize("field", DEFAULTS)
def test_an_option_has_its_default(field: str) -> None:
    assert getattr(parsed(), field) == DEFAULTS[field]


REFUSALS = {
    "--accounts=11112222333": "--accounts: '11112222333': not an account id; give twelve digits, separated by commas",
    "--accounts=1111222233334": "--accounts: '1111222233334': not an account id",
    "--accounts=11112222333a": "--accounts: '11112222333a': not an account id",
    "--accounts=١١١١٢٢٢٢٣٣٣٣": "not an account id",
    "--accounts=": "--accounts=: an empty name",
    "--regions=": "--regions=: an empty name; separate names with single commas",
    "--regions=us-east-1,,eu-west-1": "--regions=us-east-1,,eu-west-1: an empty name",
    "--regions=all,us-east-1": "--regions: all stands alone; name regions or say all",
    "--forwarders=a,": "--forwarders=a,: an empty name",
    "--role=": "--role: '': not a role's name",
    "--role=arn:aws:iam::111122223333:role/Audit": "not a role's name; give the name alone",
    "'--role=my role'": "--role: 'my role': not a role's name",
    "--fix-role=a//b": "--fix-role: 'a//b': not a role's name",
    "--external-id=x": "--external-id: 'x': not an external id; give 2 to 1224",
    "'--external-id=a b'": "--external-id: 'a b': not an external id",
    "--release=": "--release=: an empty path; give a path, or leave the option out",
    "--settings=": "--settings=: an empty path",
    "--baseline=": "--baseline=: an empty path",
    "'--snapshot= '": "--snapshot=: an empty path",
    "--replay=": "--replay=: an empty path",
    "--log-window=24": "--log-window=24: not a length of time; give a number and a unit, e.g. 90s, 15m, 24h, 7d",
    "--log-window=0h": "--log-window=0h: not a length of time",
    "--log-window=-1h": "--log-window=-1h: not a length of time",
    "--log-window=1w": "--log-window=1w: not a length of time",
    "--log-window=91d": "--log-window=91d: too long; give at most 90d",
    "--log-window=999999999d": "too long; give at most 90d",
    "--log-window=99999999999999999d": "not a length of time",
    "--proof-timeout=soon": "--proof-timeout=soon: not a length of time",
    "--fix-limit=many": "--fix-limit=many: not a number of forwarders",
    "--fix-limit=-1": "--fix-limit=-1: not a number of forwarders",
    "--fix-limit=²": "--fix-limit=²: not a number of forwarders",
    "--allow=create-buckets": "--allow: 'create-buckets': unknown; did you mean create-bucket?",
    "--allow=everything": "--allow: 'everything': unknown; use one of create-bucket, merge-duplicates",
    "--fail-on=findings": "--fail-on: 'findings': unknown; did you mean finding?",
    "--sandbox-port=80 --sandbox": "--sandbox: it needs regions; add e.g. --regions=us-east-1",
    "--sandbox-port=0 --sandbox --regions=us-east-1": "--sandbox-port=0: not a port; give a number from 1 to 65535",
    "--sandbox-port=65536 --sandbox --regions=us-east-1": "--sandbox-port=65536: not a port",
    "--sandbox-port=² --sandbox --regions=us-east-1": "not a port",
    "--sandbox-port=4566 --regions=us-east-1": "--sandbox-port: there is no sandbox; add --sandbox",
    "--sandbox-size=40 --regions=us-east-1": "--sandbox-size: there is no sandbox; add --sandbox",
    "--sandbox-size=0 --regions=us-east-1": "--sandbox-size: there is no sandbox; add --sandbox",
    "--sandbox-size=many --sandbox --regions=us-east-1": "--sandbox-size=many: not a number of forwarders",
    "--sandbox --regions=all": "--regions: the sandbox is seeded per region; name the regions",
    "--replay=a.json --regions=us-east-1": "--replay: a kept snapshot has its regions; leave --regions out",
    "--replay=a.json --fix": "--fix: cannot write to a kept snapshot; leave --replay out",
    "--replay=a.json --sandbox": "--sandbox: a replay is offline",
    "--plan --fix": "--plan: --fix shows its plan as well",
    "--change-sets": "--change-sets: it is for showing a plan; --fix makes them anyway; add --plan",
    "--change-sets --plan": "--change-sets: making a change set is a write; name the role for it with --fix-role=NAME",
    "--change-sets --plan --fix-role=R --replay=a.json": "--change-sets: a kept snapshot is offline",
    "--rollback=x --fix": "--rollback: it undoes what a --fix did; leave --fix out",
    "--rollback=x --resume=x": "--rollback: a run is resumed or undone",
    "--rollback=x --plan": "--resume/--rollback: they write",
    "--rollback-parameters=x.toml": "--rollback-parameters: there is no rollback; add --rollback=RUN",
}


@pytest.mark.parametrize("words", REFUSALS)
def test_a_value_that_cannot_be_used_is_refused_in_one_line(words: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(*shlex.split(words))
    assert REFUSALS[words] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refusal_names_the_thing_the_reason_and_the_remedy() -> None:
    with pytest.raises(InputError) as caught:
        parsed("--accounts=1")
    assert (caught.value.thing, caught.value.reason) == ("--accounts: '1'", "not an account id")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("words", "looks"), [(("--regions=us-east-1",), True), (("--replay=x.json",), True), (("--plan",), False)]
)
def test_a_run_looks_when_it_has_something_to_look_at(words: tuple[str, ...], looks: bool) -> None:
    assert parsed(*words).looks is looks


def test_only_fix_may_write() -> None:
    assert [parsed("--regions=us-east-1", *words).may_write for words in ((), ("--plan",), ("--fix",))] == [
        False,
        False,
        True,
    ]
