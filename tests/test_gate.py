import pytest

from remediation.change_set import read_change_set
from remediation.gate import GateVerdict, judge
from remediation.prediction import PredictedChange, predict
from remediation.shape import predicted_shape, shape_of
from tests.template_pair import NEW_PARAMETERS, OLD_PARAMETERS, PSEUDO
from tests.test_prediction import NEW, OLD

FUNCTION = "AWS::Lambda::Function"
MIGRATION = predict(OLD, OLD_PARAMETERS, NEW, NEW_PARAMETERS, PSEUDO)
OWNED = (
    PredictedChange("Role", "AWS::IAM::Role", "Remove"),
    PredictedChange("Secret", "AWS::SecretsManager::Secret", "Remove"),
    PredictedChange("Named", "AWS::IAM::Role", "Modify", "True", ("RoleName",)),
)

Record = dict[str, object]


def detail(
    name: str | None = "Runtime",
    recreation: str | None = "Never",
    evaluation: str = "Static",
    attribute: str = "Properties",
    **target: object,
) -> Record:
    full = {"Attribute": attribute, "Name": name, "RequiresRecreation": recreation, **target}
    return {"Target": {key: value for key, value in full.items() if value is not None}, "Evaluation": evaluation}


def change(logical_id: str = "Lambda", kind: str = FUNCTION, action: str = "Modify", **extra: object) -> Record:
    base: Record = {"Action": action, "LogicalResourceId": logical_id, "ResourceType": kind}
    if action == "Modify":
        base |= {"Replacement": "False", "Scope": ["Properties"], "Details": [detail()]}
    return {key: value for key, value in (base | extra).items() if value is not None}


def permission(replacement: str = "True") -> Record:
    return change(
        "Permission",
        "AWS::Lambda::Permission",
        Replacement=replacement,
        Details=[detail("SourceAccount", "Always"), detail("FunctionName", "Always", "Dynamic")],
    )


def page(*changes: Record, **extra: object) -> Record:
    return {
        "Status": "CREATE_COMPLETE",
        "ExecutionStatus": "AVAILABLE",
        "Changes": [{"Type": "Resource", "ResourceChange": entry} for entry in changes],
        **extra,
    }


def gate(
    *pages: Record,
    prediction: tuple[PredictedChange, ...] = MIGRATION,
    accepted: frozenset[str] = frozenset(),
    on_aws: bool = True,
    outputs: tuple[str, ...] = (),
) -> GateVerdict:
    return judge(read_change_set(pages), prediction, accepted_shapes=accepted, on_aws=on_aws, outputs=outputs)


ROLE = change("Role", "AWS::IAM::Role", Details=[detail("Policies")])
OUTPUT = ("TaegisRegion: ctpx -> delta",)


@pytest.mark.parametrize("on_aws", [True, False])
def test_a_change_set_that_lists_nothing_is_that_of_outputs_which_change(on_aws: bool) -> None:
    assert gate(page(), prediction=(), outputs=OUTPUT, on_aws=on_aws).open
    # what an engine does not say, or has made of something else, is not taken for that
    assert not gate(page(), prediction=(), outputs=(), on_aws=on_aws).open
    assert not gate(page(), prediction=MIGRATION, outputs=OUTPUT, on_aws=on_aws).open
    assert not gate(page(ROLE), prediction=(), outputs=OUTPUT, on_aws=on_aws).open
    assert not gate(page(ExecutionStatus="UNAVAILABLE"), prediction=(), outputs=OUTPUT, on_aws=on_aws).open


@pytest.mark.parametrize(
    "changes",
    [
        (change(),),
        (change(), ROLE),
        (change(), permission("True")),
        (change(), permission("Conditional")),
        (change(), permission("False")),
        (change(Details=[detail("Code"), detail("Role", "Never", "Dynamic")]), ROLE, permission()),
        (change(Details=[detail("Environment.Variables.SECRET")]),),
        (change(Scope=["Properties", "Tags"], Details=[detail(), detail(None, "Never", attribute="Tags")]),),
    ],
)
def test_what_the_templates_say_may_be_executed(changes: tuple[Record, ...]) -> None:
    verdict = gate(page(*changes))
    assert verdict.reasons == ()
    assert verdict.open
    assert not verdict.empty


NAME_STATIC = change(Replacement="True", Details=[detail("FunctionName", "Always"), detail()])
NAME_DYNAMIC = change(Replacement="Conditional", Details=[detail("FunctionName", "Always", "Dynamic"), detail()])
NAME_EQUAL = change(
    Replacement="True", Details=[detail("FunctionName", "Always", BeforeValue="a", AfterValue="a"), detail()]
)
NAME_MOVED = change(
    Replacement="True", Details=[detail("FunctionName", "Always", BeforeValue="a", AfterValue="b"), detail()]
)
NAME_MIXED = change(
    Replacement="True",
    Details=[
        detail("FunctionName", "Always"),
        detail("FunctionName", "Always", "Dynamic", BeforeValue="a", AfterValue="a"),
    ],
)
CONTEXT = '{"Properties": {"FunctionName": "%s", "Timeout": "3"}}'
NAME_CONTEXT_EQUAL = NAME_STATIC | {"BeforeContext": CONTEXT % "a", "AfterContext": CONTEXT % "a"}
NAME_CONTEXT_MOVED = NAME_STATIC | {"BeforeContext": CONTEXT % "a", "AfterContext": CONTEXT % "b"}
NAME_CONTEXT_BROKEN = NAME_STATIC | {"BeforeContext": "{", "AfterContext": "[1]"}


@pytest.mark.parametrize(
    ("entry", "on_aws", "is_open"),
    [
        (NAME_STATIC, False, True),
        (NAME_STATIC, True, False),
        (NAME_DYNAMIC, False, True),
        (NAME_DYNAMIC, True, True),
        (NAME_EQUAL, True, True),
        (NAME_MOVED, True, False),
        (NAME_MOVED, False, False),
        (NAME_MIXED, True, True),
        (NAME_CONTEXT_EQUAL, True, True),
        (NAME_CONTEXT_MOVED, True, False),
        (NAME_CONTEXT_MOVED, False, False),
        (NAME_CONTEXT_BROKEN, True, False),
        (change(Replacement="True", Details=None), False, False),
        (change(Replacement="True", Details=[]), False, False),
        (change(Replacement="True", Details=[detail("FunctionName", None)]), False, False),
        (change(Replacement="True", Details=[detail(None, "Always")]), False, False),
        (change(Replacement="True", Details=[detail("FunctionName", "Always", attribute="Tags")]), False, False),
        (
            change(Replacement="True", Details=[detail("FunctionName", "Always"), detail("PackageType", "Always")]),
            False,
            False,
        ),
        (
            change(Replacement="True", Details=[detail("FunctionName", "Always"), detail("Runtime", "Always")]),
            False,
            False,
        ),
    ],
)
def test_a_replacement_of_the_function_is_disbelieved_only_when_its_name_is_known_to_stay(
    entry: Record, on_aws: bool, is_open: bool
) -> None:
    assert gate(page(entry), on_aws=on_aws).open is is_open


@pytest.mark.parametrize("on_aws", [True, False])
@pytest.mark.parametrize("entry", [NAME_STATIC, NAME_DYNAMIC, NAME_EQUAL])
def test_a_name_that_the_prediction_does_not_settle_is_a_replacement(entry: Record, on_aws: bool) -> None:
    other = predict(OLD, OLD_PARAMETERS, NEW, NEW_PARAMETERS | {"IntegrationType": "generic"}, PSEUDO)
    verdict = gate(page(entry), prediction=other, on_aws=on_aws)
    assert not verdict.open
    assert "keep its name: choose the IntegrationType" in " ".join(verdict.reasons)


@pytest.mark.parametrize(
    "kind",
    [FUNCTION, "AWS::S3::Bucket", "AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::KMS::Key"],
)
@pytest.mark.parametrize("how", ["Remove", "Remove but retain", "True", "Conditional"])
def test_what_cannot_be_made_again_is_never_lost_whoever_accepts_it(kind: str, how: str) -> None:
    if how.startswith("Remove"):
        entry = change("X", kind, "Remove", PolicyAction="Retain" if "retain" in how else None)
        predicted = PredictedChange("X", kind, "Remove")
    else:
        entry = change("X", kind, Replacement=how, Details=[detail("Name", "Always")])
        predicted = PredictedChange("X", kind, "Modify", "True", ("Name",))
    shape = shape_of(read_change_set([page(entry)]).changes)
    verdict = gate(page(entry), prediction=(predicted,), accepted=frozenset({shape.id}), on_aws=False)
    assert not verdict.open
    assert not verdict.to_accept
    assert "rules that point at it dangle" in " ".join(verdict.reasons)


REMOVALS = (
    change("Role", "AWS::IAM::Role", "Remove", PolicyAction="Delete"),
    change("Secret", "AWS::SecretsManager::Secret", "Remove"),
    change("Named", "AWS::IAM::Role", Replacement="True", Details=[detail("RoleName", "Always")]),
)


@pytest.mark.parametrize("entry", REMOVALS)
def test_a_predicted_loss_of_a_role_or_a_secret_opens_once_its_shape_is_accepted(entry: Record) -> None:
    closed = gate(page(entry), prediction=OWNED)
    assert not closed.open
    assert closed.to_accept
    assert closed.shape.id in closed.reasons[-1]
    assert "accept_shapes" in closed.reasons[-1]
    opened = gate(page(entry), prediction=OWNED, accepted=frozenset({closed.shape.id}))
    assert opened.open
    assert opened.reasons == ()


@pytest.mark.parametrize("entry", REMOVALS)
def test_a_loss_that_the_templates_do_not_say_stays_shut_though_accepted(entry: Record) -> None:
    for prediction in ((), (PredictedChange(str(entry["LogicalResourceId"]), str(entry["ResourceType"]), "Modify"),)):
        shape = gate(page(entry), prediction=prediction).shape
        verdict = gate(page(entry), prediction=prediction, accepted=frozenset({shape.id}))
        assert not verdict.open
        assert "does not follow from the templates" in " ".join(verdict.reasons)


def test_an_accepted_shape_does_not_open_another_one() -> None:
    accepted = gate(page(REMOVALS[0]), prediction=OWNED).shape.id
    assert not gate(page(*REMOVALS), prediction=OWNED, accepted=frozenset({accepted})).open


def test_a_type_that_is_not_known_is_not_lost_even_when_predicted() -> None:
    entry = change("X", "Vendor::New::Thing", "Remove")
    verdict = gate(page(entry), prediction=(PredictedChange("X", "Vendor::New::Thing", "Remove"),))
    assert not verdict.open
    assert not verdict.to_accept


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (change(Action=None), "does not say what happens"),
        (change(ResourceType=None), "does not say what happens"),
        (change(LogicalResourceId=None), "does not say what happens"),
        (change(LogicalResourceId=""), "does not say what happens"),
        (change(Replacement=None), "absent is not False"),
        (change(Replacement=""), "absent is not False"),
        (change(Replacement="Maybe"), "not a known answer"),
        (change(Details=[detail("Runtime", "Always")]), "Replacement False and RequiresRecreation Always at once"),
        (change(Details=[detail("Layers")]), "Layers of Lambda"),
        (change(Scope=["Properties", "DeletionPolicy"]), "DeletionPolicy of Lambda"),
        (change(Action="Dynamic"), "Dynamic of Lambda"),
        (change(Action="Import"), "Import of Lambda"),
        (change(Action="SyncWithActual"), "SyncWithActual of Lambda"),
        (change(Action="Sing"), "Sing of Lambda"),
        (change("Lambda", "AWS::IAM::Role"), "does not follow from the templates"),
        (change("Stranger"), "does not follow from the templates"),
        (change("Stranger", action="Add"), "does not follow from the templates"),
        (change(ChangeSetId="arn:nested"), "nested stack"),
        (
            change("Role", "AWS::IAM::Role", Replacement="True", Details=[detail("Policies", "Always")]),
            "would be replaced, which does not follow",
        ),
    ],
)
def test_whatever_is_unsaid_unknown_or_unpredicted_shuts_the_gate(entry: Record, reason: str) -> None:
    verdict = gate(page(change(), entry) if entry.get("LogicalResourceId") != "Lambda" else page(entry))
    assert not verdict.open
    assert not verdict.to_accept
    assert reason in " ".join(verdict.reasons)


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([], "the answer is empty"),
        ([page(change(), NextToken="more")], "pages of the description are missing"),
        ([page(change()), page(ROLE)], "page 1 is not followed by more"),
        ([page(change(), NextToken="more"), page(ROLE, ExecutionStatus="OBSOLETE")], "disagree about ExecutionStatus"),
        ([page(change(), change())], "listed 2 times"),
        ([page()], "lists no changes and yet can be executed"),
        ([page(ROLE)], "does not hold what the templates say: Modify Lambda"),
        ([page(change(), Changes=None)], "has no list of changes"),
        ([{"Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE"}], "has no list of changes"),
        ([page(change()) | {"Changes": [{"Type": "Hook"}]}], "not about a resource"),
        ([page(change()) | {"Changes": ["x"]}], "not about a resource"),
        ([page(change(), Status=None)], "in no known status"),
        ([page(change(), Status="CREATE_IN_PROGRESS")], "CREATE_IN_PROGRESS"),
        ([page(change(), Status="FAILED", StatusReason="No\nluck")], "FAILED: No luck"),
        ([page(change(), ExecutionStatus=None)], "does not say whether it can"),
        ([page(change(), ExecutionStatus="UNAVAILABLE")], "UNAVAILABLE"),
        ([page(change(), ExecutionStatus="OBSOLETE")], "OBSOLETE"),
    ],
)
def test_a_change_set_that_is_not_whole_and_ready_shuts_the_gate(pages: list[Record], reason: str) -> None:
    verdict = gate(*pages)
    assert not verdict.open
    assert not verdict.empty
    assert reason in " ".join(verdict.reasons)
    assert not any("\n" in line for line in verdict.reasons)


def test_all_pages_of_a_change_set_are_judged() -> None:
    assert gate(page(change(), NextToken="more"), page(ROLE)).open
    assert not gate(page(change(), NextToken="more"), page(change("Stranger"))).open


def test_moto_says_nothing_of_replacement_and_so_nothing_is_executed() -> None:
    bare = {"Action": "Modify", "LogicalResourceId": "Lambda", "ResourceType": FUNCTION}
    assert not gate(page(bare), on_aws=False).open


NOTHING = "The submitted information didn't contain changes. Submit different information to create a change set."


@pytest.mark.parametrize("reason", [NOTHING, "No updates are to be performed."])
@pytest.mark.parametrize("changes", [{"Changes": []}, {}])
def test_an_empty_change_set_means_that_template_and_parameters_are_done(reason: str, changes: Record) -> None:
    answer = {"Status": "FAILED", "ExecutionStatus": "UNAVAILABLE", "StatusReason": reason} | changes
    verdict = gate(answer, prediction=())
    assert (verdict.open, verdict.empty, verdict.reasons) == (False, True, ())
    contradicted = gate(answer, prediction=MIGRATION)
    assert (contradicted.open, contradicted.empty) == (False, False)
    assert "the templates say: Modify Lambda" in contradicted.reasons[0]


@pytest.mark.parametrize("odd", [{"Changes": [{"ResourceChange": change()}]}, {"Changes": [], "NextToken": "more"}])
def test_an_empty_change_set_that_lists_changes_or_is_not_whole_is_not_empty(odd: Record) -> None:
    verdict = gate({"Status": "FAILED", "StatusReason": NOTHING} | odd, prediction=())
    assert (verdict.open, verdict.empty) == (False, False)


def test_a_failure_for_another_reason_is_not_an_empty_change_set() -> None:
    answer = {"Status": "FAILED", "StatusReason": "Parameters: [X] must have values", "Changes": []}
    verdict = gate(answer, prediction=())
    assert not verdict.empty
    assert "must have values" in verdict.reasons[0]


def test_a_shape_forgets_names_and_order_but_not_what_happens() -> None:
    def shape(*changes: Record) -> str:
        return shape_of(read_change_set([page(*changes)]).changes).id

    assert shape(change(), ROLE) == shape(ROLE, change("OtherName"))
    assert shape(change(PhysicalResourceId="acme")) == shape(change(PhysicalResourceId="other"))
    assert shape(change()) != shape(change(Replacement="True"))
    assert shape(change()) != shape(change(Details=[detail("Timeout")]))
    assert shape(change()) != shape(change(), change())
    text = shape_of(read_change_set([page(change(), change())]).changes).text
    assert text == "2 x Modify AWS::Lambda::Function replacement False (Runtime)"


def test_a_predicted_shape_reads_as_a_real_one() -> None:
    assert predicted_shape(OWNED).text == (
        "Modify AWS::IAM::Role replacement True (RoleName); Remove AWS::IAM::Role; Remove AWS::SecretsManager::Secret"
    )
    assert predicted_shape(OWNED).id == shape_of(read_change_set([page(*REMOVALS)]).changes).id


def test_a_predicted_shape_holds_every_loss_that_is_only_possible_and_nothing_else_uncertain() -> None:
    uncertain = (
        PredictedChange("Role", "AWS::IAM::Role", "Remove", certain=False),
        PredictedChange("Secret", "AWS::SecretsManager::Secret", "Modify", "Conditional", ("Name",), certain=False),
        PredictedChange("Permission", "AWS::Lambda::Permission", "Modify", "Conditional", certain=False),
        PredictedChange("Lambda", FUNCTION, "Modify", "False", ("Role",), certain=False),
    )
    assert predicted_shape(uncertain).text == (
        "perhaps Modify AWS::SecretsManager::Secret replacement Conditional (Name); perhaps Remove AWS::IAM::Role"
    )


def test_values_that_an_engine_shows_in_clear_do_not_stay() -> None:
    shown = detail("Environment", BeforeValue="canary-1", AfterValue="canary-2")
    answer = page(
        change(Details=[shown], BeforeContext='{"Properties": {"A": "canary-3"}}'),
        Parameters=[{"ParameterKey": "S", "ParameterValue": "canary-4"}],
    )
    view = read_change_set([answer])
    assert "canary" not in repr(view) + repr(gate(answer))
