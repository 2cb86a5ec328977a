"""The only way to write: journalled before and after, without secrets, and honest about what may have been done."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.aws import Aws, CallFailed
from fixtures.errors import SuiteError
from fixtures.sandbox.aws_call import Answer, AwsCall
from fixtures.secret import Secret
from remediation.call import Call, FileBody
from remediation.journal import JournalError, read_journal
from remediation.writer import BucketLocks
from tests.aws_answers import REGION
from tests.fake_aws import BROKEN_OFF, DENIED, FakeAws, Script, garbage, refusal, xml
from tests.writing import Bench, a_bench, hold_journal

CREATED = xml("<CreateStackResponse><CreateStackResult><StackId>arn:stack</StackId></CreateStackResult>"
              "<ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></CreateStackResponse>")  # fmt: skip
CANARY = '{"client_secret": "CANARY-SECRET-3b1f90a7",\n "note": "x"}'
STEP = "shared-stack 111122223333/eu-west-1/shared"


@pytest.fixture
def bench(fake_account: Aws, tmp_path: Path) -> Iterator[Bench]:
    made = a_bench(fake_account, tmp_path, REGION)
    yield made
    made.close()


def create(secret: str = CANARY) -> Call:
    given = [{"ParameterKey": "SecretValue", "ParameterValue": Secret(secret)}]
    parameters = {"StackName": "shared", "TemplateBody": "{}", "Parameters": given}
    return Call("cloudformation", "CreateStack", parameters, "create it")


def test_the_intent_is_on_the_disk_before_the_call_is_sent(fake: FakeAws, bench: Bench) -> None:
    found: list[str] = []

    def look(_call: AwsCall) -> Answer:
        found.extend(entry.kind for entry in read_journal(bench.path))
        return CREATED

    with fake.saying("cloudformation:CreateStack", look):
        bench.writer.write(STEP, create(), before={"template": "abc"})
    assert found == ["intent"]
    intent, result = bench.entries
    assert (intent.content["account"], intent.content["region"], intent.content["step"]) == (
        "111122223333",
        REGION,
        STEP,
    )
    assert intent.content["before"] == {"template": "abc"}
    assert (result.kind, result.content["intent"], result.content["request_id"]) == ("result", 1, "req-1")
    hold_journal(bench)


def test_the_secret_is_sent_and_never_journalled(fake: FakeAws, bench: Bench) -> None:
    with fake.saying("cloudformation:CreateStack", CREATED):
        bench.writer.write(STEP, create())
        assert fake.seen[0].form["Parameters.member.1.ParameterValue"] == CANARY
    assert "CANARY" not in bench.path.read_text(encoding="utf-8")
    assert "****" in bench.path.read_text(encoding="utf-8")


SAYS = [
    pytest.param(lambda secret: f"Parameter '{secret}' must match", id="quoted"),
    pytest.param(lambda secret: "x" * 260 + secret, id="cut"),
    pytest.param(lambda secret: " ".join(secret.split()), id="squeezed"),
    pytest.param(lambda secret: f"near {secret[15:40]}", id="a-piece"),
]


@pytest.mark.parametrize("says", SAYS)
def test_an_engine_that_quotes_the_secret_in_its_error_is_not_quoted(fake: FakeAws, bench: Bench, says) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  a lambda of the table
    message = says(CANARY).replace("&", "&amp;").replace("<", "&lt;")
    with (
        fake.saying("cloudformation:CreateStack", refusal("ValidationError", message)),
        pytest.raises(CallFailed) as failed,
    ):
        bench.writer.write(STEP, create())
    assert "CANARY" not in str(failed.value)
    assert "CANARY" not in bench.path.read_text(encoding="utf-8")
    assert failed.value.code == "ValidationError"


@pytest.mark.parametrize("secret", ["", "a"])
def test_a_secret_too_short_to_be_one_does_not_hide_the_reason(fake: FakeAws, bench: Bench, secret: str) -> None:
    with (
        fake.saying("cloudformation:CreateStack", refusal("ValidationError", "no, why")),
        pytest.raises(CallFailed, match="no, why"),
    ):
        bench.writer.write(STEP, create(secret))


ENDS = [
    pytest.param(CREATED, 1, id="done"),
    pytest.param(DENIED, 0, id="denied"),
    pytest.param(refusal("ValidationError", "no"), 0, id="refused"),
    pytest.param(refusal("AlreadyExistsException", "no"), 0, id="exists"),
    pytest.param(refusal("Throttling", "Rate exceeded"), 0, id="throttled"),
    pytest.param(refusal("InternalFailure", "oops", 500), 1, id="500"),
    pytest.param(refusal("ServiceUnavailable", "oops", 503), 1, id="503"),
    pytest.param(garbage(), 1, id="no-xml"),
    pytest.param(garbage(502), 1, id="proxy"),
    pytest.param(Answer(200, BROKEN_OFF, CREATED.body), 1, id="broken-off"),
]


@pytest.mark.parametrize(("answer", "changes"), ENDS)
def test_what_may_have_been_done_counts_as_done(fake: FakeAws, bench: Bench, answer: Script, changes: int) -> None:
    with fake.saying("cloudformation:CreateStack", answer):
        try:
            bench.writer.write(STEP, create())
            ended = "result"
        except CallFailed:
            ended = "failure"
    assert bench.writer.trail.changes == changes
    assert bench.entries[-1].kind == ended
    hold_journal(bench)


def test_a_refusal_of_a_repeated_call_says_nothing_of_the_first(fake: FakeAws, bench: Bench) -> None:
    """botocore repeats what was not answered; that it cannot be done twice is no proof that it was not done once."""
    lost = refusal("InternalFailure", "oops", 500)
    with (
        fake.saying("cloudformation:CreateStack", lost, refusal("AlreadyExistsException", "no")),
        pytest.raises(CallFailed) as failed,
    ):
        bench.writer.write(STEP, create())
    assert not failed.value.refused
    assert bench.writer.trail.changes == 1


def test_what_leaves_nothing_behind_is_journalled_and_not_counted(fake: FakeAws, bench: Bench) -> None:
    with fake.saying("cloudformation:CreateStack", CREATED):
        bench.writer.write(STEP, create(), lasting=False)
    assert bench.writer.trail.changes == 0
    assert bench.kinds() == ["intent cloudformation:CreateStack", "result cloudformation:CreateStack"]


def test_what_botocore_refuses_to_send_is_a_failure_that_did_nothing(fake: FakeAws, bench: Bench) -> None:
    call = Call("cloudformation", "CreateStack", {"StackName": "s", "NoSuchThing": Secret(CANARY)}, "")
    with pytest.raises(CallFailed) as failed:
        bench.writer.write(STEP, call)
    assert not fake.seen
    assert bench.writer.trail.changes == 0
    assert "CANARY" not in str(failed.value)
    assert [entry.kind for entry in bench.entries] == ["intent", "failure"]


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_file_that_is_not_the_planned_one_is_not_sent(fake: FakeAws, bench: Bench, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "package.zip"
    if harm == "changed":
        path.write_bytes(b"other")
    call = Call("s3", "PutObject", {"Bucket": "b", "Key": "k", "Body": FileBody(path, "0" * 64)}, "")
    with pytest.raises(SuiteError, match=r"has changed since|cannot be read any more"):
        bench.writer.write(STEP, call)
    assert not fake.seen
    assert not bench.entries


def test_without_a_journal_nothing_is_sent(fake: FakeAws, bench: Bench) -> None:
    bench.close()
    with pytest.raises(JournalError):
        bench.writer.write(STEP, create())
    assert not fake.seen


def test_a_write_may_go_to_another_region(fake: FakeAws, bench: Bench) -> None:
    with fake.saying("cloudformation:CreateStack", CREATED):
        bench.writer.write(STEP, create(), region="us-east-1")
        assert fake.seen[0].region == "us-east-1"
    assert {entry.content["region"] for entry in bench.entries} == {"us-east-1"}


def test_what_was_read_back_is_recorded_as_plain_values(bench: Bench) -> None:
    bench.writer.verified(STEP, stack="s", changed=True, of=("a", "b"), secret=Secret(CANARY))
    (entry,) = bench.entries
    assert entry.content["facts"] == {"stack": "s", "changed": True, "of": ["a", "b"], "secret": "****"}


def test_one_lock_for_each_bucket_whoever_asks() -> None:
    locks = BucketLocks()
    found: list[threading.Lock] = []
    threads = [threading.Thread(target=lambda: found.append(locks.of("logs"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(lock) for lock in found}) == 1
    assert locks.of("logs") is not locks.of("other")


def test_the_writer_does_not_print_whose_credentials_it_holds(bench: Bench) -> None:
    assert "AKIDFAKE" not in repr(bench.writer)
