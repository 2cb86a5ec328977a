"""`taegis-forwarders policy`: what it prints can be used as it is, and what it cannot know it says."""

import contextlib
import io
import itertools
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fixtures.errors import InputError
from fixtures.lint import Linted, lint
from fixtures.release import LAMBDA_TEMPLATE
from fixtures.sandbox.synthetic_release import write_release
from fixtures.template import Template, parse_template
from remediation.policy import BY_CLOUDFORMATION, OPTIONAL, audit_policy, fix_policy, sid_prefix
from remediation.policy_caller import DOCUMENTED, TYPES, used_by
from remediation.policy_document import INLINE_LIMIT, MANAGED_LIMIT, Place, characters, document, documents, size
from remediation.policy_template import IN_TEMPLATE, RoleSpec, role_template
from reports.command import main
from reports.permissions_text import permissions_page

ROOT = Path(__file__).parents[1]
VIA = {"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release") / "downloads")


class Printed:
    """What one run of the verb said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], words: Sequence[str]) -> None:
        self.code = main(["policy", *map(str, words)])
        said = capsys.readouterr()
        self.out, self.notes = said.out, said.err.splitlines()

    @property
    def statements(self) -> dict[str, dict[str, object]]:
        return {one["Sid"]: one for one in json.loads(self.out)["Statement"]}

    @property
    def actions(self) -> set[str]:
        return {action for one in self.statements.values() for action in one["Action"]}  # type: ignore[attr-defined]


def template(text: str) -> Template:
    return parse_template(text, name="printed")


def inner(text: str) -> str:
    return str(yaml.safe_load(text)["Resources"]["RoleInEveryAccount"]["Properties"]["TemplateBody"])


class TestJson:
    @pytest.mark.parametrize("purpose", ["audit", "fix"])
    @pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso-b"])
    def test_every_arn_is_of_the_partition_that_was_asked_for(
        self, purpose: str, partition: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = Printed(capsys, [purpose, f"--partition={partition}"])
        assert found.code == 0
        arns = re.findall(r'"arn:([^:"]*):', found.out)
        assert arns
        assert set(arns) == {partition}
        assert not re.search(r"[{}]", "".join(re.findall(r'"arn:[^"]*"', found.out)))

    def test_a_bucket_of_ones_own_and_other_function_names_replace_the_defaults(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["fix", "--artifact-bucket=my-code-*,other", "--functions=fwd-*"]
        found = Printed(capsys, words).statements
        assert found["ArtifactBuckets"]["Resource"] == ["arn:aws:s3:::my-code-*", "arn:aws:s3:::other"]
        assert found["Functions"]["Resource"] == ["arn:aws:lambda:*:*:function:fwd-*"]
        assert found["Logs"]["Resource"] == ["arn:aws:logs:*:*:log-group:/aws/lambda/fwd-*"]

    def test_what_is_optional_can_be_left_out_and_asked_for_and_is_said_either_way(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        everyday = Printed(capsys, ["audit"])
        assert "secretsmanager:GetSecretValue" not in everyday.actions
        assert any(note.startswith("NOTE: without compare-secret, for --compare-secret") for note in everyday.notes)
        other = Printed(capsys, ["audit", "--with=compare-secret", "--without=plan,drift"])
        assert "secretsmanager:GetSecretValue" in other.actions
        assert {sid for sid in other.statements if sid.startswith(("Plan", "Drift"))} == set()
        assert any(note.startswith("NOTE: without drift") for note in other.notes)

    def test_standard_output_is_the_policy_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = Printed(capsys, ["fix"])
        assert json.loads(found.out)["Version"] == "2012-10-17"
        assert all(note.startswith("NOTE: ") for note in found.notes)

    def test_everything_fits_a_roles_inline_policies(self) -> None:
        place = Place("aws-us-gov", "123456789012")
        for made in (audit_policy(OPTIONAL), fix_policy(OPTIONAL)):
            assert size(made, place) < INLINE_LIMIT

    def test_what_does_not_fit_one_managed_policy_becomes_several_that_do(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        buckets = ",".join(f"a-rather-long-name-of-a-bucket-{number}" for number in range(60))
        words = ["fix", "--partition=aws-us-gov", "--with=test-event", f"--artifact-bucket={buckets}"]
        found = Printed(capsys, words)
        policies = json.loads(found.out)
        assert len(policies) > 1
        assert all(len(json.dumps(one, separators=(",", ":"))) <= MANAGED_LIMIT for one in policies)
        sids = [entry["Sid"] for one in policies for entry in one["Statement"]]
        assert len(set(sids)) == len(sids)
        granted = {(action, resource) for one in policies for entry in one["Statement"]
                   for action in entry["Action"] for resource in entry["Resource"]}  # fmt: skip
        assert {("s3:PutObject", f"arn:aws-us-gov:s3:::a-rather-long-name-of-a-bucket-{number}/*")
                for number in range(60)} <= granted  # fmt: skip
        assert any(note.startswith(f"NOTE: {len(policies)} policies, since IAM takes") for note in found.notes)


class TestSplitting:
    PLACE = Place("aws-us-gov", "123456789012")

    @pytest.mark.parametrize("beyond", [0, 1])
    def test_a_policy_is_split_at_the_limit_and_not_before(self, beyond: int) -> None:
        made = fix_policy(OPTIONAL)
        assert len(documents(made, self.PLACE, size(made, self.PLACE) - beyond)) == 1 + beyond

    @pytest.mark.parametrize("limit", [350, 400, 1000, 3000, MANAGED_LIMIT])
    def test_the_parts_allow_exactly_what_the_whole_allows(self, limit: int) -> None:
        made = fix_policy(OPTIONAL)
        parts = documents(made, self.PLACE, limit)
        assert all(characters(part) <= limit for part in parts)
        assert grants(parts) == grants([document(made, self.PLACE)])

    def test_expressions_of_a_template_count_as_what_they_come_to(self) -> None:
        made = fix_policy(OPTIONAL)
        assert size(made, IN_TEMPLATE) == size(made, Place("aws-us-gov", "0" * 12))

    def test_a_role_that_is_too_much_for_inline_policies_gets_managed_ones(self, tmp_path: Path) -> None:
        buckets = tuple(f"a-rather-long-name-of-a-bucket-{number}" for number in range(60))
        place = replace(IN_TEMPLATE, artifacts=buckets)
        text = role_template(RoleSpec("fix", "Fix", None, "", fix_policy(OPTIONAL), place))
        resources = yaml.safe_load(text)["Resources"]
        assert "Policies" not in resources["Role"]["Properties"]
        managed = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::IAM::ManagedPolicy"]
        assert all(characters(one["PolicyDocument"]) <= MANAGED_LIMIT for one in managed)
        assert all(one["Roles"] == [{"Ref": "Role"}] for one in managed)
        assert len({one["ManagedPolicyName"]["Fn::Sub"] for one in managed}) == len(managed) > 2
        (verdict,) = lint([template(text)], cache_dir=tmp_path)
        assert isinstance(verdict, Linted)
        assert [str(one) for one in verdict.findings] == []


def grants(policies: Iterable[Mapping[str, object]]) -> set[tuple[str, str, str]]:
    """Every action on every resource, with its condition."""
    return {
        (action, resource, json.dumps(entry.get("Condition")))
        for policy in policies
        for entry in policy["Statement"]  # type: ignore[attr-defined]
        for action in entry["Action"]
        for resource in entry["Resource"]
    }


class TestInTheCallersName:
    def test_it_holds_for_the_calls_of_cloudformation_only(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = {sid: one for sid, one in Printed(capsys, ["fix"]).statements.items() if sid.startswith("ByCloud")}
        passed = found.pop("ByCloudFormationPassedRoles")
        assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
        assert len(found) > 4
        assert [sid for sid, one in found.items() if one["Condition"] != VIA] == []

    def test_a_role_or_function_is_made_or_deleted_by_cloudformation_only(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        dangerous = {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "lambda:DeleteFunction",
                     "lambda:UpdateFunctionCode", "secretsmanager:GetSecretValue", "kms:CreateGrant"}  # fmt: skip
        found = Printed(capsys, ["fix"]).statements
        by = {action: {sid for sid, one in found.items() if action in one["Action"]} for action in dangerous}  # type: ignore[operator]
        assert all(sids and all(sid.startswith("ByCloudFormation") for sid in sids) for sids in by.values())

    def test_it_is_for_the_documented_types_without_a_release(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = Printed(capsys, ["fix"])
        assert {"iam:PassRole", "s3:GetObject", "logs:CreateLogGroup", "sns:Subscribe"} <= found.actions
        assert any("from documentation" in note and ", ".join(DOCUMENTED) in note for note in found.notes)

    def test_it_is_for_the_types_and_properties_of_a_releases_templates(
        self, release: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = Printed(capsys, ["fix", f"--release={release}"])
        assert "sns:Subscribe" in found.actions
        assert "kms:CreateGrant" in found.actions  # its function sets KmsKeyArn
        assert {"logs:CreateLogGroup", "iam:AttachRolePolicy", "ec2:DescribeVpcs"} & found.actions == set()
        assert any("only the old templates hold" in note for note in found.notes)

    def test_a_type_that_is_not_known_is_said_and_never_left_out_in_silence(
        self, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        changed = Path(shutil.copytree(release, tmp_path / "changed"))
        text = (changed / LAMBDA_TEMPLATE).read_text(encoding="utf-8")
        more = "\n  Queue:\n    Type: AWS::SQS::Queue\n  Own:\n    Type: Custom::Thing\n\nOutputs:"
        transform = "Transform: AWS::LanguageExtensions\nAWSTemplateFormatVersion"
        changed_text = text.replace("\nOutputs:", more).replace("AWSTemplateFormatVersion", transform, 1)
        (changed / LAMBDA_TEMPLATE).write_text(changed_text, encoding="utf-8")
        said = [note for note in Printed(capsys, ["fix", f"--release={changed}"]).notes if "UNKNOWN" in note]
        assert [re.findall(r"for (\S+::\S+) is|macro (\S+) needs", note)[0] for note in said] == [
            ("AWS::SQS::Queue", ""), ("Custom::Thing", ""), ("", "AWS::LanguageExtensions"),
        ]  # fmt: skip

    def test_types_of_old_templates_can_be_added(self, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
        words = ["fix", f"--release={release}", "--types=AWS::Logs::LogGroup,AWS::SQS::Queue"]
        found = Printed(capsys, words)
        assert {"logs:CreateLogGroup", "logs:AssociateKmsKey"} <= found.actions
        assert any("UNKNOWN" in note and "AWS::SQS::Queue" in note for note in found.notes)

    def test_a_property_brings_its_rights_wherever_it_stands(self) -> None:
        body = ("Resources: {F: {Type: AWS::Lambda::Function, Properties: {Code: {S3ObjectVersion: v}, VpcConfig: {}}},"
                " G: {Type: AWS::Lambda::Function, Properties: {Layers: [a]}}, X: {Type: A::B::C}}")  # fmt: skip
        assert used_by([template(body)]) == {
            "A::B::C": frozenset(),
            "AWS::Lambda::Function": frozenset({"Code.S3ObjectVersion", "VpcConfig", "Layers"}),
        }

    def test_the_documented_types_are_known_with_their_properties(self) -> None:
        assert set(DOCUMENTED) <= set(TYPES)
        assert all(paths <= set(TYPES[name].for_property) for name, paths in DOCUMENTED.items())


@pytest.fixture(scope="module")
def printed(release: Path) -> dict[str, str]:
    """Every template by what was asked for; the StackSet's own template beside it."""
    capture: dict[str, str] = {}
    everything = {"audit": ["--with=compare-secret"], "fix": ["--with=test-event"]}
    for purpose, more in everything.items():
        variants = {"": [], " of the release": [f"--release={release}"] if purpose == "fix" else []}
        for (name, words), form in itertools.product(variants.items(), ("cloudformation", "stackset")):
            with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
                assert main(["policy", purpose, f"--format={form}", *more, *words]) == 0
            capture[f"{purpose} {form}{name}"] = out.getvalue()
    for name in [name for name in capture if "stackset" in name]:
        capture[f"{name}, inside"] = inner(capture[name])
    return capture


class TestTemplates:
    def test_cfn_lint_finds_nothing(self, printed: dict[str, str], tmp_path: Path) -> None:
        verdicts = lint([template(text) for text in printed.values()], cache_dir=tmp_path)
        assert all(isinstance(verdict, Linted) for verdict in verdicts)
        found = {name: [str(one) for one in verdict.findings] for name, verdict in zip(printed, verdicts, strict=True)
                 if isinstance(verdict, Linted) and verdict.findings}  # fmt: skip
        assert found == {}

    def test_no_partition_or_account_is_written_into_them(self, printed: dict[str, str]) -> None:
        for text in printed.values():
            assert re.findall(r"arn:(?!\$\{AWS::Partition\}|\[a-z-\]\+:iam)[^\s']*", text) == []
            assert not re.search(r"\b\d{12}\b", text)

    def test_the_stack_sets_template_is_the_stand_alone_one(self, printed: dict[str, str]) -> None:
        for purpose in ("audit", "fix"):
            assert printed[f"{purpose} stackset, inside"] == printed[f"{purpose} cloudformation"]

    def test_they_say_that_the_management_account_is_skipped(self, printed: dict[str, str]) -> None:
        for text in printed.values():
            assert "skips the organization's management account" in template(text).description

    def test_they_name_their_role_and_fit_what_cloudformation_takes(self, printed: dict[str, str]) -> None:
        for text in printed.values():
            assert len(text.encode()) <= 51_200
            assert len(template(text).description.encode()) <= 1024  # quotas: template description
        assert template(printed["audit cloudformation"]).capabilities == ("CAPABILITY_NAMED_IAM",)

    def test_they_describe_their_statements(self, printed: dict[str, str]) -> None:
        found = yaml.safe_load(printed["fix cloudformation"])["Metadata"]["Statements"]
        assert found[f"{sid_prefix(BY_CLOUDFORMATION)}*"].endswith("(aws:CalledVia)")
        assert found["TestEvent*"] == OPTIONAL["test-event"]

    def test_what_is_given_is_a_default(self, capsys: pytest.CaptureFixture[str]) -> None:
        words = ["audit", "--principal=111122223333", "--external-id=a b".replace(" ", "-"), "--role-name=Looks"]
        for form in ("cloudformation", "stackset"):
            parameters = template(Printed(capsys, [*words, f"--format={form}"]).out).parameters
            found = {name: parameters[name].default for name in ("TrustedPrincipal", "ExternalId", "RoleName")}
            assert found == {"TrustedPrincipal": "111122223333", "ExternalId": "a-b", "RoleName": "Looks"}

    def test_nobody_is_trusted_unless_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        made = template(Printed(capsys, ["fix", "--format=cloudformation"]).out)
        assert made.parameters["TrustedPrincipal"].default is None
        assert made.parameters["TrustedPrincipal"].problem("*") is not None
        (role,) = made.of_type("AWS::IAM::Role")
        (trust,) = role.properties["AssumeRolePolicyDocument"]["Statement"]  # type: ignore[index, call-overload, misc]
        assert trust["Principal"] == {"AWS": {"Ref": "TrustedPrincipal"}}  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "the following arguments are required: purpose"),
        (["look"], "invalid choice: 'look'"),
        (["audit", "--release=x"], "policy audit: --release: an audit changes no stack"),
        (["audit", "--types=AWS::SQS::Queue"], "policy audit: --types: an audit changes no stack"),
        (["audit", "--with=drfit"], "--with: 'drfit': nothing optional of that name; did you mean drift?"),
        (["fix", "--without=drift"], "--without: 'drift': nothing optional of that name"),
        (["audit", "--principal=111122223333"], "--principal: the JSON is the role's policy alone; add --format"),
        (["audit", "--format=cloudformation", "--principal=*"], "--principal: '*': IAM would not take it"),
        (["audit", "--format=cloudformation", "--principal=12345"], "--principal: '12345': IAM would not take it"),
        (["audit", "--format=cloudformation", "--role-name=a/b"], "--role-name: 'a/b': IAM would not take it"),
        (["audit", "--format=stackset", "--external-id=a b"], "--external-id: 'a b': IAM would not take it"),
        (["audit", "--format=stackset", "--partition=aws"], "--partition: a template asks CloudFormation for it"),
        (["audit", "--partition=AWS"], "--partition: 'AWS': IAM would not take it"),
        (["audit", "--functions=a:b"], "--functions: 'a:b': not a name"),
        (["fix", "--types=Queue"], "--types: 'Queue': not a resource type"),
        (["fix", "--release=nowhere"], "release nowhere: is not a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_refused_in_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", *words]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err
    assert said.err.count("\n") == 1


def test_the_page_of_permissions_is_up_to_date() -> None:
    written = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert written == permissions_page(), "stale: python -m reports.command permissions > docs/permissions.md"


def test_the_page_names_every_action_and_type() -> None:
    page = permissions_page()
    made = (*audit_policy(OPTIONAL), *fix_policy(OPTIONAL))
    missing = {name for found in made for name in found.actions if f"`{name}`" not in page}
    assert missing | {name for name in TYPES if f"`{name}`" not in page} == set()
    assert "skips the management account" in page


def test_the_page_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["permissions", "audit"]) == 4
    assert "permissions: 'audit': it takes no arguments" in capsys.readouterr().err
    assert issubclass(InputError, Exception)
