"""IAM's answers about the fixer: what is refused is said with its reason, what cannot be told is no refusal."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with

from fixtures.aws import Aws, Clients
from fixtures.sandbox.aws_call import Answer, AwsCall
from remediation.permission_check import Refused, Simulated, Simulation
from remediation.permission_needs import Right
from tests.conftest import point_at
from tests.fake_aws import FakeAws, Script, garbage, refusal, xml

ACCOUNT, REGION = "111122223333", "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deep/down/Fixer"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/Fixer/taegis-forwarders"
IDENTITY, GET_ROLE, SIMULATE = "sts:GetCallerIdentity", "iam:GetRole", "iam:SimulatePrincipalPolicy"
PUT = Right(REGION, "s3:PutObject", "arn:aws:s3:::packages/a.zip")
GET = Right(REGION, "s3:GetObject", "arn:aws:s3:::packages/a.zip")
OTHER = Right(REGION, "s3:PutObject", "arn:aws:s3:::packages/b.zip")
INVOKE = Right(REGION, "lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f")
ATTACH = "attach the policy of taegis-forwarders policy fix, then run again"


def identity(arn: str = SESSION) -> Answer:
    told = f"<UserId>X:y</UserId><Account>{ACCOUNT}</Account><Arn>{arn}</Arn>"
    body = f"<GetCallerIdentityResult>{told}</GetCallerIdentityResult>"
    return xml(f"<GetCallerIdentityResponse>{body}</GetCallerIdentityResponse>")


def role(arn: str = ROLE) -> Answer:
    told = f"<Role><RoleName>Fixer</RoleName><Arn>{arn}</Arn></Role>"
    return xml(f"<GetRoleResponse><GetRoleResult>{told}</GetRoleResult></GetRoleResponse>")


def results(*members: str, marker: str = "") -> Answer:
    more = f"<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>" if marker else "<IsTruncated>false</IsTruncated>"
    held = "".join(f"<member>{one}</member>" for one in members)
    body = f"<EvaluationResults>{held}</EvaluationResults>{more}"
    return xml(f"<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>{body}"
               "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>")  # fmt: skip


def result(right: Right, decision: str, more: str = "") -> str:
    """As of one resource."""
    return (f"<EvalActionName>{right.action}</EvalActionName><EvalResourceName>{right.resource}</EvalResourceName>"
            f"<EvalDecision>{decision}</EvalDecision>{more}")  # fmt: skip


def apart(action: str, decisions: Sequence[tuple[str, str, str]]) -> str:
    """As of several resources: (ARN, decision, more) of each; IAM says the decision over all of them too."""
    members = "".join(
        f"<member><EvalResourceName>{arn}</EvalResourceName><EvalResourceDecision>{found}</EvalResourceDecision>"
        f"{more}</member>"
        for arn, found, more in decisions
    )
    return (f"<EvalActionName>{action}</EvalActionName><EvalResourceName>*</EvalResourceName>"
            f"<EvalDecision>implicitDeny</EvalDecision>"
            f"<ResourceSpecificResults>{members}</ResourceSpecificResults>")  # fmt: skip


def missing(*keys: str) -> str:
    return f"<MissingContextValues>{''.join(f'<member>{key}</member>' for key in keys)}</MissingContextValues>"


def decided(decide: Callable[[str, str], str]) -> Callable[[AwsCall], Answer]:
    """An IAM that answers every combination, in the form of several resources."""

    def answer(call: AwsCall) -> Answer:
        actions, resources = listed(call, "ActionNames"), listed(call, "ResourceArns")
        return results(*(apart(one, [(arn, decide(one, arn), "") for arn in resources]) for one in actions))

    return answer


def listed(call: AwsCall, name: str) -> list[str]:
    return [text for key, text in call.form.items() if key.startswith(f"{name}.member.")]


@dataclass
class World:
    fake: FakeAws
    clients: Clients

    def ask(self, *rights: Right, simulate: "Script | Sequence[Script]", who: "Script | None" = None) -> Simulated:
        self.fake.forget()
        self.fake.say(IDENTITY, who or identity())
        self.fake.say(GET_ROLE, role())
        self.fake.say(SIMULATE, *(simulate if isinstance(simulate, list | tuple) else [simulate]))
        aws = Aws(self.clients, Credentials("key", "secret"), ACCOUNT)
        with pytest.MonkeyPatch.context() as patch:  # a client is made when it is first needed
            point_at(patch, {"AWS_ENDPOINT_URL": self.fake.endpoint, "AWS_CONFIG_FILE": "/dev/null"})
            return Simulation(aws, "us-east-1", threading.Event()).of(rights)

    @property
    def simulations(self) -> list[AwsCall]:
        return [call for call in self.fake.seen if call.operation == "SimulatePrincipalPolicy"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    fake = FakeAws()
    yield World(fake, Clients())
    fake.stop()


BOUNDARY = ("<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary>"
            "</PermissionsBoundaryDecisionDetail>")  # fmt: skip
SCP = ("<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations>"
       "</OrganizationsDecisionDetail>")  # fmt: skip
ALSO_ALLOWED = SCP.replace("false", "true") + BOUNDARY.replace("false", "true")
DETAILS = ("<EvalDecisionDetails><entry><key>Resource Policy</key><value>implicitDeny</value></entry>"
           "<entry><key>IAM Policy</key><value>allowed</value></entry></EvalDecisionDetails>")  # fmt: skip


@pytest.mark.parametrize(
    ("decision", "more", "refused"),
    [
        ("allowed", "", None),
        ("allowed", ALSO_ALLOWED, None),
        ("allowed", missing("aws:MultiFactorAuthPresent"), None),
        ("implicitDeny", "", Refused("", ATTACH)),
        ("implicitDeny", missing("kms:ViaService", "iam:PassedToService", "aws:CalledVia"), Refused("", ATTACH)),
        ("implicitDeny", DETAILS, Refused("Resource Policy", ATTACH)),
        ("explicitDeny", "", Refused("a policy denies it", "take that denial away, then run again")),
        ("implicitDeny", SCP, Refused("an organization's policy",
                                      "let the organization's policies allow it, then run again")),
        ("allowed", SCP, Refused("an organization's policy",
                                 "let the organization's policies allow it, then run again")),
        ("implicitDeny", BOUNDARY, Refused("its permissions boundary",
                                           "widen its permissions boundary, then run again")),
    ],
)  # fmt: skip
def test_a_decision_of_one_resource(world: World, decision: str, more: str, refused: Refused | None) -> None:
    found = world.ask(PUT, simulate=results(result(PUT, decision, more)))
    assert (found.name, found.told, found.problem) == ("role Fixer", {PUT: refused}, "")


def test_decisions_of_several_resources_are_kept_apart(world: World) -> None:
    decisions = [(PUT.resource, "allowed", ""), (OTHER.resource, "implicitDeny", BOUNDARY)]
    found = world.ask(PUT, OTHER, simulate=results(apart("s3:putobject", decisions)))
    assert found.told[PUT] is None
    assert found.told[OTHER] == Refused("its permissions boundary", "widen its permissions boundary, then run again")
    assert not found.problem


@pytest.mark.parametrize("key", ["aws:MultiFactorAuthPresent", "aws:SourceIp", "s3:x-amz-server-side-encryption"])
def test_a_refusal_that_hangs_on_what_only_the_call_shows_cannot_be_told(world: World, key: str) -> None:
    found = world.ask(PUT, simulate=results(result(PUT, "explicitDeny", missing(key))))
    assert (found.told, found.problem) == ({}, f"s3:PutObject depends on {key}")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (refusal("AccessDenied", "no iam:SimulatePrincipalPolicy for you", 403), "iam:SimulatePrincipalPolicy denied"),
        (refusal("NotImplemented", "", 501), "iam:SimulatePrincipalPolicy"),
        (refusal("NoSuchEntity", "Role Fixer not found", 404), "Role Fixer not found"),
        (garbage(), "iam:SimulatePrincipalPolicy"),
        (results(result(PUT, "perhaps")), "IAM's decision on s3:PutObject is 'perhaps'"),
        (results("<EvalActionName>s3:PutObject</EvalActionName>"), "EvalDecision is missing"),
        (results(), "IAM says nothing of s3:PutObject on arn:aws:s3:::packages/a.zip"),
        (results(result(INVOKE, "implicitDeny")), "IAM says nothing of s3:PutObject"),
    ],
)
def test_what_iam_does_not_say_is_no_refusal(world: World, answer: Script, problem: str) -> None:
    found = world.ask(PUT, simulate=answer)
    assert found.told == {}
    assert problem in found.problem


def test_what_was_told_before_a_failure_counts(world: World) -> None:
    found = world.ask(INVOKE, PUT, simulate=[results(result(INVOKE, "implicitDeny")), refusal("AccessDenied", "", 403)])
    assert found.told == {INVOKE: Refused("", ATTACH)}
    assert "denied" in found.problem


def test_a_role_is_asked_for_by_its_name_since_a_session_does_not_show_its_path(world: World) -> None:
    world.ask(PUT, simulate=results(result(PUT, "allowed")))
    (call,) = world.simulations
    assert call.form["PolicySourceArn"] == ROLE
    assert call.form["ContextEntries.member.1.ContextKeyValues.member.1"] == REGION


def test_a_user_is_simulated_as_it_is(world: World) -> None:
    arn = f"arn:aws-cn:iam::{ACCOUNT}:user/team/ann"
    found = world.ask(PUT, who=identity(arn), simulate=results(result(PUT, "allowed")))
    (call,) = world.simulations
    assert (found.name, call.form["PolicySourceArn"]) == ("user ann", arn)
    assert GET_ROLE not in world.fake.counted()


def test_root_is_not_simulated(world: World) -> None:
    found = world.ask(PUT, who=identity(f"arn:aws:iam::{ACCOUNT}:root"), simulate=garbage())
    assert (found.told, found.problem, world.simulations) == ({PUT: None}, "", [])


def test_a_federated_user_cannot_be_simulated(world: World) -> None:
    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/ann"
    assert "IAM simulates roles and users" in world.ask(PUT, who=identity(arn), simulate=garbage()).problem


def test_every_page_is_read(world: World) -> None:
    pages = [results(result(GET, "allowed"), marker="more"), results(result(PUT, "implicitDeny"))]
    found = world.ask(GET, PUT, simulate=pages)
    assert found.told == {GET: None, PUT: Refused("", ATTACH)}
    assert [call.form.get("Marker") for call in world.simulations] == [None, "more"]


def test_many_resources_are_asked_for_in_bounded_calls_of_what_is_wanted_and_no_more(world: World) -> None:
    many = [Right(REGION, action, f"arn:aws:s3:::packages/{number}.zip")
            for number in range(120) for action in ("s3:GetObject", "s3:PutObject")]  # fmt: skip
    wanted = [*many, INVOKE, Right("us-east-1", "s3:PutObject", PUT.resource)]
    found = world.ask(*wanted, simulate=decided(lambda action, arn: "allowed" if arn else action))
    assert (set(found.told), found.problem) == (set(wanted), "")
    sizes = [len(listed(call, "ActionNames")) * len(listed(call, "ResourceArns")) for call in world.simulations]
    assert (sum(sizes), max(sizes)) == (len(wanted), 100)


def test_an_engine_that_hears_the_first_resource_only_is_asked_for_each(world: World) -> None:
    def first_only(call: AwsCall) -> Answer:
        arn = listed(call, "ResourceArns")[0]
        return results(result(Right("", "s3:PutObject", arn), "implicitDeny" if arn == OTHER.resource else "allowed"))

    found = world.ask(PUT, OTHER, simulate=first_only)
    assert (found.told, found.problem) == ({PUT: None, OTHER: Refused("", ATTACH)}, "")
