"""One run's look: what is refused before the first call, what is kept, and what the sandbox changes and puts back."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from checks.registry import FACTS
from fixtures import look
from fixtures.accounts import AccountsFile
from fixtures.errors import InputError
from fixtures.estate import LeftOut, Target
from fixtures.fact import NOT_READ
from fixtures.look import LOOK, look_again, take
from fixtures.option_values import CONSENTS
from fixtures.sandbox import Sandbox, SandboxSpec
from fixtures.snapshot import read_snapshot, write_snapshot
from fixtures.state import BASELINE, DESIRES, ESTATE, OPTIONS, SETTINGS
from tests.conftest import point_at
from tests.estates import a_forwarder, an_estate
from tests.fake_aws import FakeAws
from tests.some_options import some_options

ACCOUNTS = ("111122223333", "444455556666")
ONE_FORWARDER = ("cloudtrail-prod",)


def fleet(folder: Path, text: str) -> AccountsFile:
    """An accounts file."""
    path = folder / "fleet.toml"
    path.write_text(text, encoding="utf-8")
    return AccountsFile(path)


class Run:
    """What `take` needs of pytest's config; the clean-ups run when the test says so."""

    def __init__(self) -> None:
        self.stash = pytest.Stash()
        self.cleanups: list[Callable[[], object]] = []
        self.asked: list[str] = []
        self.hook = SimpleNamespace(pytest_forwarders_desired=lambda config: self.asked.append("desired"))  # noqa: ARG005  the hook's name for it
        self.add_cleanup = self.cleanups.append

    @property
    def config(self) -> pytest.Config:
        return cast("pytest.Config", self)

    def end(self) -> None:
        while self.cleanups:
            self.cleanups.pop()()


@pytest.fixture
def run() -> Run:
    return Run()


def of_sandbox(sandbox: Sandbox, **changes: object) -> Mapping[str, object]:
    return {"regions": ("us-east-1",), "accounts": ACCOUNTS, "role": sandbox.role_name,
            "release": sandbox.release_dir, "forwarders": ONE_FORWARDER, **changes}  # fmt: skip


class TestAtAws:
    def test_every_target_is_looked_at_by_its_role(self, run: Run, at_sandbox: Sandbox) -> None:
        take(run.config, some_options(**of_sandbox(at_sandbox)), FACTS)
        estate = run.stash[ESTATE]
        assert [seen.target for seen in estate.targets] == [Target(account, "us-east-1") for account in ACCOUNTS]
        assert [str(forwarder.name) for forwarder in estate.forwarders] == ["cloudtrail-prod", "cloudtrail-prod"]
        assert run.stash[DESIRES].tenants[0].release is not None
        assert run.asked == ["desired"]

    @pytest.mark.parametrize(("option", "read"), [({}, False), ({"plan": True}, True), ({"fix": True}, True)])
    def test_what_only_a_plan_needs_is_read_only_for_one(
        self, option: Mapping[str, object], read: bool, run: Run, at_sandbox: Sandbox
    ) -> None:
        take(run.config, some_options(**of_sandbox(at_sandbox, accounts=ACCOUNTS[:1], **option)), FACTS)
        (forwarder,) = run.stash[ESTATE].forwarders
        for fact in (forwarder.change_sets, forwarder.invocation, forwarder.code_source):
            assert (fact != NOT_READ) is read
        assert forwarder.drift == NOT_READ

    def test_drift_and_the_secrets_digest_are_read_on_request(self, run: Run, at_sandbox: Sandbox) -> None:
        options = some_options(**of_sandbox(at_sandbox, accounts=ACCOUNTS[:1], drift=True, compare_secret=True))
        take(run.config, options, FACTS)
        (seen,) = run.stash[ESTATE].targets
        assert seen.forwarders[0].drift != NOT_READ
        assert isinstance(seen.shared, tuple)
        release = run.stash[DESIRES].tenants[0].release
        assert release is not None
        assert [getattr(shared.secret, "digest", None) for shared in seen.shared] == [release.credentials.digest]

    def test_the_snapshot_is_what_was_seen(self, run: Run, at_sandbox: Sandbox, tmp_path: Path) -> None:
        kept = tmp_path / "estate.json.gz"
        take(run.config, some_options(**of_sandbox(at_sandbox, snapshot=kept)), FACTS)
        assert read_snapshot(kept) == run.stash[ESTATE]

    def test_a_second_look_is_at_the_touched_targets_only_and_enters_nothing_again(
        self, run: Run, at_sandbox: Sandbox
    ) -> None:
        take(run.config, some_options(**of_sandbox(at_sandbox)), FACTS)
        before = dict(run.stash[LOOK].clients.calls)
        touched = Target(ACCOUNTS[1], "us-east-1")
        again = look_again(run.config, frozenset({touched}))
        assert [seen.target for seen in again.targets] == [touched]
        assert again.taken > run.stash[ESTATE].taken
        calls = run.stash[LOOK].clients.calls
        assert calls["sts:GetCallerIdentity"] == before["sts:GetCallerIdentity"]
        assert calls["cloudformation:DescribeStacks"] == before["cloudformation:DescribeStacks"] + 1


class TestReplayed:
    def test_a_kept_estate_is_taken_without_a_call(self, run: Run, fake: FakeAws, tmp_path: Path) -> None:
        write_snapshot(an_estate(a_forwarder()), tmp_path / "estate.json")
        take(run.config, some_options(replay=tmp_path / "estate.json"), FACTS)
        assert run.stash[ESTATE] == an_estate(a_forwarder())
        assert run.stash[BASELINE] is None
        assert LOOK not in run.stash
        assert fake.seen == []

    def test_it_is_narrowed_to_the_accounts_and_forwarders_asked_for(self, run: Run, tmp_path: Path) -> None:
        there = Target("444455556666", "us-east-1")
        estate = an_estate(a_forwarder("alb-edge"), a_forwarder("waf-edge"), a_forwarder("alb-other", there))
        write_snapshot(estate, tmp_path / "estate.json")
        here = estate.targets[0].target.account
        take(run.config, some_options(replay=tmp_path / "estate.json", accounts=(here,), forwarders=("alb-*",)), FACTS)
        assert [forwarder.name for forwarder in run.stash[ESTATE].forwarders] == ["alb-edge"]
        assert [seen.target.account for seen in run.stash[ESTATE].targets] == [here]

    def test_accounts_that_were_not_audited_are_narrowed_with_the_others(self, run: Run, tmp_path: Path) -> None:
        left_out = (LeftOut("777788889999", "SUSPENDED"), LeftOut("999900001111", "SUSPENDED"))
        estate = dataclasses.replace(an_estate(a_forwarder()), left_out=left_out)
        write_snapshot(estate, tmp_path / "estate.json")
        here = estate.targets[0].target.account
        kept = tmp_path / "estate.json"
        take(run.config, some_options(replay=kept), FACTS)
        assert run.stash[ESTATE].left_out == left_out
        take(run.config, some_options(replay=kept, accounts=(here, "999900001111")), FACTS)
        assert run.stash[ESTATE].left_out == left_out[1:]

    def test_a_file_narrows_it_without_a_call(self, run: Run, fake: FakeAws, tmp_path: Path) -> None:
        there = Target("444455556666", "us-east-1")
        estate = an_estate(a_forwarder("alb-edge"), a_forwarder("alb-other", there))
        write_snapshot(estate, tmp_path / "estate.json")
        source = fleet(tmp_path, '[[account]]\nid = "444455556666"\nregions = ["eu-west-1"]')
        take(run.config, some_options(replay=tmp_path / "estate.json", accounts_from=source), FACTS)
        assert [seen.target for seen in run.stash[ESTATE].targets] == [there]
        assert fake.seen == []

    def test_an_account_that_it_does_not_hold_is_refused(self, run: Run, tmp_path: Path) -> None:
        write_snapshot(an_estate(a_forwarder()), tmp_path / "estate.json")
        with pytest.raises(InputError, match="--accounts: 999999999999: the snapshot does not hold it"):
            take(run.config, some_options(replay=tmp_path / "estate.json", accounts=("999999999999",)), FACTS)


class TestRefusedBeforeTheFirstCall:
    @pytest.fixture(autouse=True)
    def _in_an_empty_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize(
        ("option", "expected"),
        [
            ({"settings": Path("missing.toml")}, "settings missing.toml: "),
            ({"baseline": Path("missing.toml")}, "baseline missing.toml: "),
            ({"release": Path("missing")}, "release missing: "),
            ({"snapshot": Path("missing/estate.json")}, "snapshot missing/estate.json: "),
            ({"accounts_from": AccountsFile(Path("missing.toml"))}, "accounts missing.toml: "),
        ],
        ids=["settings", "baseline", "release", "snapshot", "accounts"],
    )
    def test_a_file_that_cannot_be_used(
        self, option: Mapping[str, object], expected: str, run: Run, fake: FakeAws
    ) -> None:
        with pytest.raises(InputError) as caught:
            take(run.config, some_options(regions=("us-east-1",), **option), FACTS)
        assert str(caught.value).startswith(expected)
        assert fake.seen == []

    def test_several_tenants_and_one_release(self, run: Run, fake: FakeAws, tmp_path: Path) -> None:
        settings = tmp_path / "forwarders.toml"
        settings.write_text(
            "".join(f'[tenants.t{n}]\naccounts = ["{account}"]\n' for n, account in enumerate(ACCOUNTS)),
            encoding="utf-8",
        )
        with pytest.raises(InputError, match="the settings know several tenants"):
            take(run.config, some_options(regions=("us-east-1",), settings=settings, release=tmp_path), FACTS)
        assert fake.seen == []


class TestSandbox:
    @pytest.fixture
    def started(self, at_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> list[SandboxSpec]:
        """`start_sandbox` hands out the one that is running already, and notes what was asked for."""
        specs: list[SandboxSpec] = []

        def start(spec: SandboxSpec, _: Path) -> object:
            specs.append(spec)
            names = ("accounts", "environment", "settings", "role_name", "fix_role_name")
            return SimpleNamespace(stop=lambda: None, **{name: getattr(at_sandbox, name) for name in names})

        monkeypatch.setattr(look, "start_sandbox", start)
        return specs

    def take(self, run: Run, **changes: object) -> None:
        options = some_options(sandbox=True, regions=("us-east-1",), forwarders=ONE_FORWARDER, **changes)
        take(run.config, options, FACTS)

    def test_it_brings_accounts_roles_settings_and_consents(self, run: Run, started: list[SandboxSpec]) -> None:
        self.take(run)
        options = run.stash[OPTIONS]
        assert started[0].accounts == options.accounts == ACCOUNTS
        assert (options.role, options.fix_role) == (Sandbox.role_name, Sandbox.fix_role_name)
        assert (options.allow, options.yes) == (frozenset(CONSENTS), True)
        assert list(run.stash[SETTINGS].tenants) == ["sandbox"]
        assert len(run.stash[ESTATE].forwarders) == 2
        run.end()

    def test_what_the_user_says_goes_before_it(self, run: Run, started: list[SandboxSpec], tmp_path: Path) -> None:
        settings = tmp_path / "forwarders.toml"
        settings.write_text("calendar_fail_days = 3", encoding="utf-8")
        self.take(run, settings=settings, allow=frozenset({"create-bucket"}), role=Sandbox.fix_role_name,
                  sandbox_port=4567)  # fmt: skip
        options = run.stash[OPTIONS]
        assert (options.role, options.allow) == (Sandbox.fix_role_name, frozenset({"create-bucket"}))
        assert run.stash[SETTINGS].calendar_fail_days == 3
        assert started[0].port == 4567
        run.end()

    def test_it_makes_the_accounts_of_a_file_whose_tenants_it_puts_aside(
        self, run: Run, started: list[SandboxSpec], tmp_path: Path
    ) -> None:
        text = "".join(f'[[account]]\nid = "{account}"\ntenant = "acme"\n' for account in reversed(ACCOUNTS))
        table = '[[account.forwarders]]\nname = "*"\nintegration_type = "awsalb"\n'
        self.take(run, accounts_from=fleet(tmp_path, text + table))
        assert started[0].accounts == ACCOUNTS
        settings = run.stash[SETTINGS]
        assert list(settings.tenants) == ["sandbox"]
        assert settings.parameters_for(ACCOUNTS[0], "us-east-1", "x") == {"IntegrationType": "awsalb"}
        assert settings.parameters_for(ACCOUNTS[1], "us-east-1", "x") == {}
        run.end()

    def test_this_process_points_at_it_alone_until_the_run_ends(
        self, run: Run, started: list[SandboxSpec], at_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        point_at(monkeypatch, {"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "of-production"})
        monkeypatch.setenv("NO_PROXY", "internal.example")
        before = dict(os.environ)
        self.take(run)
        assert started
        inside = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
        assert inside == dict(at_sandbox.environment)
        assert os.environ["NO_PROXY"] == "internal.example,127.0.0.1"
        run.end()
        assert dict(os.environ) == before
