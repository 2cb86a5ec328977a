"""IAM's answers about the fixer: what is refused is said with its reason, what cannot be told is no refusal."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from botocore.credentials import Credentials  # noqa: TID251  credentials are what AWS access is opened with

from fixtures.aws import Aws, Clients
from fixtures.sandbox.aws_call import Answer, AwsCall
from remediation.permission_check import Simulated, Simulation
from remediation.permission_needs import Right
from remediation.permission_verdict import Doubt, Refused, Verdict
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
BUCKET_POLICY, FUNCTION_POLICY = "s3:GetBucketPolicy", "lambda:GetPolicy"
NO_POLICY = refusal("NoSuchBucketPolicy", "", 404)
TAKE_AWAY = "take that denial away, then run again"
WIDEN = "widen its permissions boundary, then run again"


def identity(arn: str = SESSION) -> Answer:
    told = f"<UserId>X:y</UserId><Account>{ACCOUNT}</Account><Arn>{arn}</Arn>"
    body = f"<GetCallerIdentityResult>{told}</GetCallerIdentityResult>"
    return xml(f"<GetCallerIdentityResponse>{body}</GetCallerIdentityResponse>")


def a_role(arn: str = ROLE) -> Answer:
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

    def ask(
        self,
        *rights: Right,
        simulate: "Script | Sequence[Script]",
        who: "Script | None" = None,
        bucket: Script = NO_POLICY,
        role: str = "",
        on_aws: bool = True,
    ) -> Simulated:
        self.fake.forget()
        self.fake.say(BUCKET_POLICY, bucket)
        self.fake.say(FUNCTION_POLICY, refusal("ResourceNotFoundException", "", 404))
        self.fake.say(IDENTITY, who or identity())
        self.fake.say(GET_ROLE, a_role())
        self.fake.say(SIMULATE, *(simulate if isinstance(simulate, list | tuple) else [simulate]))
        aws = Aws(self.clients, Credentials("key", "secret"), ACCOUNT)
        with pytest.MonkeyPatch.context() as patch:  # a client is made when it is first needed
            point_at(patch, {"AWS_ENDPOINT_URL": self.fake.endpoint, "AWS_CONFIG_FILE": "/dev/null"})
            return Simulation(aws, "us-east-1", threading.Event(), role, on_aws).of(rights)

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
    ("decision", "more", "verdict"),
    [
        ("allowed", "", None),
        ("allowed", ALSO_ALLOWED, None),
        ("allowed", missing("aws:MultiFactorAuthPresent"), None),
        ("implicitDeny", "", Refused()),
        ("implicitDeny", missing("kms:ViaService", "iam:PassedToService", "aws:CalledVia"), Refused()),
        ("implicitDeny", DETAILS, Refused("not allowed by Resource Policy")),
        ("explicitDeny", "", Refused("a policy denies it", TAKE_AWAY)),
        ("implicitDeny", BOUNDARY, Refused("its permissions boundary does not allow it", WIDEN)),
        ("allowed", BOUNDARY, Refused("its permissions boundary does not allow it", WIDEN)),
    ],
)
def test_a_decision_of_one_resource(world: World, decision: str, more: str, verdict: Verdict) -> None:
    found = world.ask(PUT, simulate=results(result(PUT, decision, more)))
    assert (found.name, found.told, found.problem) == ("role Fixer", {PUT: verdict}, "")


@pytest.mark.parametrize("decision", ["allowed", "implicitDeny", "explicitDeny"])
def test_an_organizations_refusal_says_so_and_how_to_go_on_where_the_simulation_is_wrong(
    world: World, decision: str
) -> None:
    """The context keys that an organization's policies ask for are not told: its refusal may be of a condition."""
    verdict = world.ask(PUT, simulate=results(result(PUT, decision, SCP))).told[PUT]
    assert isinstance(verdict, Refused)
    assert verdict.by == "an organization's policy denies it"
    assert "--without=simulate" in verdict.to_do


def test_an_organizations_refusal_of_one_resource_is_not_taken_for_all(world: World) -> None:
    """What IAM says of the organization it says over all resources of a request."""

    def answer(call: AwsCall) -> Answer:
        arns = listed(call, "ResourceArns")
        if len(arns) == 1:
            return results(result(PUT, "explicitDeny" if arns[0] == OTHER.resource else "allowed",
                                  SCP if arns[0] == OTHER.resource else ""))  # fmt: skip
        held = [(arn, "explicitDeny" if arn == OTHER.resource else "allowed", "") for arn in arns]
        return results(apart("s3:PutObject", held) + SCP)

    found = world.ask(PUT, OTHER, simulate=answer)
    assert found.told[PUT] is None
    assert isinstance(found.told[OTHER], Refused)


@pytest.mark.parametrize("denied", [0, 3, 7])
def test_an_organizations_refusal_of_one_of_many_is_found_although_each_looks_allowed(
    world: World, denied: int
) -> None:
    """IAM's decision on a resource need not hold the organization's: its refusal stands beside all of them."""
    many = [Right(REGION, "s3:PutObject", f"arn:aws:s3:::packages/{number}.zip") for number in range(8)]
    refused = many[denied].resource

    def answer(call: AwsCall) -> Answer:
        arns = listed(call, "ResourceArns")
        scp = SCP if refused in arns else ""
        if len(arns) == 1:
            return results(result(Right("", "s3:PutObject", arns[0]), "allowed", scp))
        return results(apart("s3:PutObject", [(arn, "allowed", "") for arn in arns]) + scp)

    found = world.ask(*many, simulate=answer)
    assert {right for right, verdict in found.told.items() if verdict is not None} == {many[denied]}
    assert isinstance(found.told[many[denied]], Refused)
    assert len(world.simulations) == 1 + 2 * 3, "halves of halves, and not one request for each"


def test_what_an_organization_refuses_of_many_is_unknown_where_iam_says_no_more(world: World) -> None:
    pages: list[Script] = [
        results(apart("s3:PutObject", [(PUT.resource, "allowed", ""), (OTHER.resource, "allowed", "")]) + SCP),
        refusal("AccessDenied", "", 403),
    ]
    found = world.ask(PUT, OTHER, simulate=pages)
    told = found.told[PUT]
    assert isinstance(told, Doubt)
    assert "on some resources" in told.why


GRANT = {"Effect": "Allow", "Action": "s3:Put*", "Principal": {"AWS": ROLE}, "Resource": "*"}


@pytest.mark.parametrize(
    ("statement", "granted"),
    [
        (GRANT, True),
        ({**GRANT, "Principal": "*"}, True),
        ({**GRANT, "Principal": {"AWS": ["arn:aws:iam::999999999999:role/Other", SESSION]}}, True),
        ({**GRANT, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, True),
        ({**GRANT, "Principal": {"AWS": "*"}, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, True),
        ({"Effect": "Allow", "NotAction": "s3:Get*", "NotPrincipal": {"AWS": "x"}, "Resource": "*"}, True),
        ({**GRANT, "Principal": {"Service": "cloudtrail.amazonaws.com"}}, False),
        ({**GRANT, "Principal": {"AWS": "arn:aws:iam::127311923021:root"}}, False),
        ({**GRANT, "Action": ["s3:GetObject", "s3:List*"]}, False),
        ({**GRANT, "Effect": "Deny"}, False),
        ({**GRANT, "NotAction": "s3:*"}, False),
    ],
)
def test_what_a_buckets_own_policy_may_grant_is_not_called_missing(
    world: World, statement: dict[str, object], *, granted: bool
) -> None:
    policy = Answer(200, ()).with_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    found = world.ask(PUT, OTHER, simulate=decided(lambda *_: "implicitDeny"), bucket=policy)
    expected = Doubt("the bucket's own policy may allow it") if granted else Refused()
    assert found.told == {PUT: expected, OTHER: expected}
    assert world.fake.counted()[BUCKET_POLICY] == 1  # of one bucket


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refusal("AccessDenied", "", 403), "the bucket's own policy may allow it, and could not be read (denied)"),
        (Answer(200, ()).with_text("{"), "the bucket's own policy may allow it, and could not be understood"),
        (Answer(200, ()).with_text("[]"), "the bucket's own policy may allow it, and could not be understood"),
    ],
)
def test_a_buckets_policy_that_cannot_be_read_leaves_it_open(world: World, answer: Script, why: str) -> None:
    found = world.ask(PUT, simulate=results(result(PUT, "implicitDeny")), bucket=answer)
    assert (found.told, found.problem) == ({PUT: Doubt(why)}, "")


@pytest.mark.parametrize(
    ("right", "verdict"),
    [
        (INVOKE, Refused()),  # its function has no policy
        (Right(REGION, "sns:Subscribe", f"arn:aws:sns:{REGION}:{ACCOUNT}:t"),
         Doubt("the topic's own policy may allow it, and is not read")),
        (Right(REGION, "secretsmanager:UpdateSecret", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:s"),
         Doubt("the secret's own policy may allow it, and is not read")),
        (Right(REGION, "cloudformation:CreateChangeSet", f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/s/*"),
         Refused()),
        (Right(REGION, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/r"), Refused()),
    ],
)  # fmt: skip
def test_only_what_has_a_policy_of_its_own_can_be_granted_by_it(world: World, right: Right, verdict: Verdict) -> None:
    assert world.ask(right, simulate=results(result(right, "implicitDeny"))).told == {right: verdict}


def test_a_denial_stands_whatever_the_buckets_policy_says(world: World) -> None:
    found = world.ask(PUT, simulate=results(result(PUT, "explicitDeny")), bucket=refusal("AccessDenied", "", 403))
    assert found.told == {PUT: Refused("a policy denies it", TAKE_AWAY)}
    assert BUCKET_POLICY not in world.fake.counted()


def test_actions_that_iam_does_not_take_together_are_asked_for_in_its_groups(world: World) -> None:
    """It says which in its error and nowhere else."""
    lone = {"s3:PutObject"}

    def answer(call: AwsCall) -> Answer:
        actions = listed(call, "ActionNames")
        if len(actions) > 1 and lone & set(actions):
            others = ",".join(one for one in actions if one not in lone)
            message = (
                f"Invalid Input Actions: [{others}] and [s3:PutObject] require different authorization information."
            )
            return refusal("InvalidInput", message)(call)
        return results(*(result(Right("", one, PUT.resource), "allowed") for one in actions))

    tag = Right(REGION, "s3:PutObjectTagging", PUT.resource)
    found = world.ask(PUT, GET, tag, simulate=answer)
    assert (found.told, found.problem) == ({PUT: None, GET: None, tag: None}, "")
    assert [listed(call, "ActionNames") for call in world.simulations] == [
        ["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"], ["s3:GetObject", "s3:PutObjectTagging"],
        ["s3:PutObject"],
    ]  # fmt: skip


def test_another_invalid_input_is_told_as_what_it_is(world: World) -> None:
    found = world.ask(PUT, GET, simulate=refusal("InvalidInput", "Invalid Entity Arn"))
    assert (found.told, len(world.simulations)) == ({}, 1)
    assert "Invalid Entity Arn" in found.problem


def test_what_cloudformation_calls_is_asked_for_as_called_by_it(world: World) -> None:
    via = Right(REGION, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/r", "cloudformation.amazonaws.com")
    world.ask(via, PUT, simulate=decided(lambda *_: "allowed"))
    told = {}
    for call in world.simulations:
        keys = [text for key, text in call.form.items() if key.endswith("ContextKeyName")]
        held = [text for key, text in call.form.items() if ".ContextKeyValues." in key]
        told[listed(call, "ActionNames")[0]] = dict(zip(keys, held, strict=True))
    assert told["iam:PassRole"] == {
        "aws:RequestedRegion": REGION, "aws:SecureTransport": "true", "aws:PrincipalArn": ROLE,
        "aws:PrincipalAccount": ACCOUNT, "aws:CalledVia": "cloudformation.amazonaws.com", "aws:ViaAWSService": "true",
        "iam:PassedToService": "lambda.amazonaws.com",
    }  # fmt: skip
    assert not {"aws:CalledVia", "iam:PassedToService"} & told["s3:PutObject"].keys()


@pytest.mark.parametrize(
    ("decision", "verdict"),
    [
        ("allowed", None),
        ("explicitDeny", Refused("a policy denies it", TAKE_AWAY)),
        ("implicitDeny", Doubt("this endpoint's simulation does not know on whose behalf a service calls")),
    ],
)
def test_an_engine_that_knows_no_context_refuses_to_cloudformation_only_what_is_denied(
    world: World, decision: str, verdict: Verdict
) -> None:
    via = Right(REGION, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/r", "cloudformation.amazonaws.com")
    assert world.ask(via, simulate=results(result(via, decision)), on_aws=False).told == {via: verdict}


def test_a_stacks_own_role_is_simulated_in_its_own_name(world: World) -> None:
    own = f"arn:aws:iam::{ACCOUNT}:role/cfn/Deploys"
    right = Right(REGION, "lambda:UpdateFunctionCode", INVOKE.resource, "", own)
    found = world.ask(right, simulate=results(result(right, "implicitDeny")), role=own)
    assert (found.name, found.told) == ("the stack's own role Deploys", {right: Refused()})
    assert [call.form["PolicySourceArn"] for call in world.simulations] == [own]
    assert IDENTITY not in world.fake.counted()


def test_decisions_of_several_resources_are_kept_apart(world: World) -> None:
    decisions = [(PUT.resource, "allowed", ""), (OTHER.resource, "implicitDeny", BOUNDARY)]
    found = world.ask(PUT, OTHER, simulate=results(apart("s3:putobject", decisions)))
    assert found.told[PUT] is None
    assert found.told[OTHER] == Refused("its permissions boundary does not allow it", WIDEN)
    assert not found.problem


@pytest.mark.parametrize("key", ["aws:MultiFactorAuthPresent", "aws:SourceIp", "s3:x-amz-server-side-encryption"])
def test_a_refusal_that_hangs_on_what_only_the_call_shows_cannot_be_told(world: World, key: str) -> None:
    found = world.ask(PUT, simulate=results(result(PUT, "explicitDeny", missing(key))))
    assert (found.told, found.problem) == ({PUT: Doubt(f"it depends on {key}")}, "")


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
    assert found.told == {INVOKE: Refused()}
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
    assert found.told == {GET: None, PUT: Refused()}
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
    assert (found.told, found.problem) == ({PUT: None, OTHER: Refused()}, "")
