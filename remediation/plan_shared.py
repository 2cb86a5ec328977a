"""Plans what a target's forwarders share: the artifact bucket with the package, and the shared stack. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checks.stack_states import HEALTHY, way_out
from fixtures.code_location import parsed
from fixtures.estate import ArtifactBucket, SharedStack
from fixtures.fact import Absent, Cause, Unreadable, value
from fixtures.release import PACKAGE, Release
from fixtures.template import Template
from remediation import rotation
from remediation.call import Body, BytesBody, FileBody
from remediation.context import Context
from remediation.gated_update import StackUpdate, TemplateSource, too_large_inline
from remediation.parameters import REGION, SECRET, credentials_problems, package_key, shared_parameters
from remediation.predicted_outputs import changed_outputs
from remediation.prediction import predict
from remediation.preflight import Obstacle, losses, waiting
from remediation.seen_stack import SeenStack
from remediation.step import Step
from remediation.steps.artifact import PutArtifacts
from remediation.steps.shared_stack import CreateSharedStack, UpdateSharedStack

_MACROS = Obstacle(
    "the release's shared template holds macros, so that what its update changes cannot be told before it is made",
    "update the shared stack by hand, or ask the vendor for a template without macros",
)
_NOTHING_TO_CHANGE = Obstacle(
    "no resource and no output of the shared stack would change, and CloudFormation updates no stack for the rest",
    "nothing reads what differs: ask the vendor, or waive it",
)


@dataclass(frozen=True, slots=True)
class ArtifactPlan:
    """The bucket, what has to be done to it, and how templates are handed over."""

    bucket: str
    step: Step | None
    obstacles: tuple[Obstacle, ...]
    region: str
    url_suffix: str

    def source(self, template: Template) -> TemplateSource:
        """Inline, or by the URL of the object that the artifact step uploads."""
        if not too_large_inline(template.body):
            return TemplateSource(template.body, None)
        url = f"https://s3.{self.region}.{self.url_suffix}/{self.bucket}/{template_key(template)}"
        return TemplateSource(template.body, url)


@dataclass(frozen=True, slots=True)
class SharedPlan:
    """What has to be done about the shared stack; `left`: why its findings stay, which keeps nobody else up."""

    step: Step | None
    obstacles: tuple[Obstacle, ...]
    left: tuple[Obstacle, ...] = ()


def template_key(template: Template) -> str:
    """Where a template that is too large to send inline goes: its digest is its name."""
    return f"templates/{template.digest}.yaml"


def plan_artifact(context: Context, release: Release, *, needed: bool) -> ArtifactPlan:
    """Bucket and uploads."""
    region = context.target.region
    name = context.desired.tenant.artifact_bucket(context.target.account, region) or ""
    if not needed:
        return ArtifactPlan(name, None, (), region, context.url_suffix)
    artifact = context.seen.artifact
    obstacles = tuple(_artifact_obstacles(context, artifact, release))
    files: dict[str, Body] = {}
    create = False
    if isinstance(artifact, ArtifactBucket):
        create = isinstance(artifact.region, Absent)
        if not value(artifact.package):
            files[package_key(release)] = FileBody(release.directory / PACKAGE, release.package.sha256_hex)
        for template in (release.shared_template, release.lambda_template):
            if too_large_inline(template.body):
                files[template_key(template)] = BytesBody(template.body.encode(), template.digest)
    step = None
    if (create or files) and not obstacles:
        step = PutArtifacts(context.target, name, (), create=create, files=files)
    return ArtifactPlan(name, step, obstacles, region, context.url_suffix)


def _artifact_obstacles(context: Context, artifact: object, release: Release) -> list[Obstacle]:
    if not isinstance(artifact, ArtifactBucket):
        return [Obstacle(f"the artifact bucket could not be read ({artifact})", "grant the permission, run again")]
    found: list[Obstacle] = []
    if isinstance(artifact.region, Unreadable):
        return [Obstacle(f"bucket {artifact.name} could not be read ({artifact.region})",
                         "if somebody else owns it, name another artifact_bucket in the settings")]  # fmt: skip
    if isinstance(artifact.region, Absent):
        if "create-bucket" not in context.intent.allow:
            found.append(
                Obstacle(f"bucket {artifact.name} does not exist", "allow it with --allow=create-bucket, or create it")
            )
        return found
    if artifact.region != context.target.region:
        found.append(Obstacle(f"bucket {artifact.name} is in {artifact.region}", "name one of this region"))
    if isinstance(artifact.package, Unreadable):
        found.append(Obstacle(f"its package could not be read ({artifact.package})", "grant the permission, run again"))
    package = value(artifact.package)
    if package and package.sha256 != release.package.code_sha256:
        found.append(
            Obstacle(
                f"bucket {artifact.name} holds another package at {package.key}, and a stack may refer to it",
                "name another artifact_bucket in the settings",
            )
        )
    if artifact.public is True:
        found.append(Obstacle(f"bucket {artifact.name} is public", "turn on S3 Block Public Access for it"))
    if any(forwarder.bucket_name == artifact.name for forwarder in context.estate.forwarders):
        found.append(Obstacle(f"bucket {artifact.name} is a notification bucket", "name another artifact_bucket"))
    return found


def plan_shared(context: Context, release: Release, source: ArtifactPlan, *, needed: bool) -> SharedPlan:
    """Create the shared stack, update it, or leave it alone."""
    seen = context.seen
    if not needed:
        return SharedPlan(None, ())
    if isinstance(seen.shared, Absent | Unreadable):
        return SharedPlan(None, (Obstacle(f"the shared stack could not be read ({seen.shared})", "grant it"),))
    if len(seen.shared) > 1:
        names = ", ".join(shared.stack.name for shared in seen.shared)
        return SharedPlan(None, (Obstacle(f"there are several shared stacks: {names}", "keep one of them"),))
    if not seen.shared:
        return _create(context, release, source)
    return _update(context, seen.shared[0], release, source)


def _create(context: Context, release: Release, source: ArtifactPlan) -> SharedPlan:
    desired = context.desired
    template = release.shared_template
    given: list[Mapping[str, object]] = []
    obstacles: list[Obstacle] = []
    for name, parameter in template.parameters.items():
        if name == SECRET:
            obstacles += credentials_problems(release)
            given.append({"ParameterKey": name, "ParameterValue": release.credentials})
        elif name == REGION and desired.tenant.taegis_region:
            given.append({"ParameterKey": name, "ParameterValue": desired.tenant.taegis_region})
        elif name == REGION:
            obstacles.append(
                Obstacle(
                    f"it is not said which TaegisRegion this tenant has ({', '.join(parameter.allowed_values)})",
                    "set taegis_region or login_url in the settings",
                )
            )
        elif parameter.default is None:
            obstacles.append(Obstacle(f"the shared template wants a value for {name}", "create the stack by hand"))
    if obstacles:
        return SharedPlan(None, tuple(obstacles))
    step = CreateSharedStack(
        context.target,
        desired.tenant.shared_stack_name,
        (),
        template=source.source(template),
        parameters=tuple(given),
        capabilities=template.capabilities,
        token=context.change_set,
        content=(
            *(f"Add {resource.logical_id} ({resource.type})" for resource in template),
            *(f"export {name}" for name in template.exports),
        ),
    )
    return SharedPlan(step, ())


def _update(context: Context, shared: SharedStack, release: Release, source: ArtifactPlan) -> SharedPlan:
    stack = shared.stack
    digest = value(shared.template)
    old = parsed(context.estate.templates[digest], stack.name) if digest else None
    if old is None:
        return SharedPlan(None, (Obstacle(f"the template of {stack.name} could not be read ({shared.template})",
                                          "grant the permission, run again"),))  # fmt: skip
    if stack.status not in HEALTHY:
        return SharedPlan(None, (Obstacle(f"shared stack {stack.name} is {stack.status}", way_out(stack.status)),))
    region = context.desired.tenant.taegis_region
    rotate = context.intent.rotate and not rotation.holds(shared, release)
    same_region = region is None or stack.parameters.get(REGION) == region
    if old.semantic_digest == release.shared_template.semantic_digest and same_region and not rotate:
        return SharedPlan(None, ())
    parameters = shared_parameters(stack, old, release, region, rotate=rotate)
    macros = "CAPABILITY_AUTO_EXPAND" in release.shared_template.capabilities
    obstacles = (*parameters.problems, *([_MACROS] if macros else []), *_waiting(shared))
    sides = (old, stack.parameters, release.shared_template, parameters.values, context.pseudo(stack))
    prediction, outputs = predict(*sides), changed_outputs(*sides)
    obstacles += tuple(losses(prediction, context.accepted(prediction)))
    if obstacles:
        return SharedPlan(None, obstacles)
    if not prediction and not outputs:
        return SharedPlan(None, (), (_NOTHING_TO_CHANGE,))
    update = StackUpdate(
        seen=SeenStack.of(stack, old.digest),
        change_set=context.change_set,
        template=source.source(release.shared_template),
        parameters=parameters.given,
        capabilities=release.shared_template.capabilities,
        prediction=prediction,
        accepted_shapes=context.accepted(prediction),
        outputs=outputs,
    )
    # a secret that is written anew is every reader's: they are counted, go in rings, and are proved
    readers = rotation.readers_of(context.seen) if rotate else ()
    return SharedPlan(UpdateSharedStack(context.target, stack.name, readers, update=update), ())


def _waiting(shared: SharedStack) -> Iterator[Obstacle]:
    """Change sets that wait on it; an audit's snapshot holds none, and the step looks itself before it writes."""
    found = shared.change_sets
    if isinstance(found, Unreadable) and found.cause is not Cause.NOT_READ:
        yield Obstacle(f"the change sets of {shared.stack.name} could not be read ({found})", "grant it")
    yield from waiting(shared.stack.name, value(found) or ())
