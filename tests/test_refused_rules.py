"""Which rule makes S3 refuse a document: the one whose function is gone or shut, or nobody can tell."""

from pathlib import Path

import pytest

from fixtures.aws import Aws
from fixtures.estate import Rule, Statement
from fixtures.fact import Absent, Fact
from remediation.refused_rules import refused_rules
from tests.aws_answers import REGION
from tests.estates import CREATED, a_notification, a_statement, denied
from tests.writing import a_bench

BUCKET, OWNER = "logs", "111122223333"
LETS_IN = a_statement(BUCKET)
KEEPS_OUT = a_statement(BUCKET, sid="no", allow=False)
PERHAPS = a_statement(BUCKET, conditions=("aws:PrincipalOrgID",))
CASES = [
    pytest.param(Absent("function x"), "names a function that is gone", id="gone"),
    pytest.param((), "names a function that does not let S3 in", id="no-policy"),
    pytest.param((LETS_IN, KEEPS_OUT), "names a function that does not let S3 in", id="denied"),
    pytest.param((a_statement("another"),), "names a function that does not let S3 in", id="another-bucket"),
    pytest.param((LETS_IN,), "one of them may be gone, or refuse S3", id="let-in"),
    pytest.param((PERHAPS,), "one of them may be gone, or refuse S3", id="let-in-perhaps"),
    pytest.param(denied("lambda:GetPolicy"), "one of them may be gone, or refuse S3", id="not-shown"),
]


def told(policy: Fact[tuple[Statement, ...]], arn: str, aws: Aws, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("remediation.refused_rules.read_policy", lambda *_: policy)
    bench = a_bench(aws, folder, REGION)
    try:
        return refused_rules(bench.writer, a_notification(Rule("function", arn, (CREATED,))), BUCKET, OWNER)
    finally:
        bench.close()


@pytest.mark.parametrize(("policy", "said"), CASES)
def test_the_culprit_is_named_where_it_can_be(
    policy: Fact[tuple[Statement, ...]],
    said: str,
    fake_account: Aws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arn = f"arn:aws:lambda:{REGION}:{fake_account.account}:function:x"
    text = told(policy, arn, fake_account, tmp_path, monkeypatch)
    assert said in text
    assert arn in text


@pytest.mark.parametrize("where", [f"{REGION}:999988887777", "eu-north-1:111122223333"])
def test_a_function_elsewhere_is_not_asked_for_and_not_accused(
    where: str, fake_account: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = told(Absent("function x"), f"arn:aws:lambda:{where}:function:x", fake_account, tmp_path, monkeypatch)
    assert "one of them may be gone" in text


def test_the_policy_of_an_alias_is_its_own(fake_account: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = f"arn:aws:lambda:{REGION}:{fake_account.account}:function:x:live"
    assert "one of them may be gone" in told((), arn, fake_account, tmp_path, monkeypatch)
    assert "is gone" in told(Absent("function x"), arn, fake_account, tmp_path, monkeypatch)


def test_an_empty_document_accuses_nobody(fake_account: Aws, tmp_path: Path) -> None:
    bench = a_bench(fake_account, tmp_path, REGION)
    assert refused_rules(bench.writer, a_notification(), BUCKET, OWNER) == ""
    bench.close()
