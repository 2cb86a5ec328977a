"""The accounts file: what it may say, what it is refused for, and what becomes of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.accounts import Account, AccountsFile, Organization, Tag
from fixtures.accounts_file import joined, read_accounts_file
from fixtures.errors import InputError
from fixtures.fleet import with_accounts_file
from fixtures.settings import Settings, parse_settings
from tests.some_options import parsed, some_options

ONE, TWO, THREE = "111122223333", "444455556666", "777788889999"
FULL = f"""
[[account]]
id = "{TWO}"
alias = "acme-prod"
role = "security/TaegisAudit"
fix_role = "TaegisFix"
external_id = "acme-7"
regions = ["us-east-1", "eu-west-1", "us-east-1"]
tags = {{ env = "prod" }}
tenant = "acme"

[[account.forwarders]]
name = "okta-*"
integration_type = "generic"

[[account]]
id = "{ONE}"
"""


def written(text: str, folder: Path) -> AccountsFile:
    path = folder / "fleet.toml"
    path.write_text(text, encoding="utf-8")
    return AccountsFile(path)


def test_a_whole_file_is_read_sorted_by_id(tmp_path: Path) -> None:
    first, second = read_accounts_file(written(FULL, tmp_path))
    assert first == Account(ONE)
    assert replace(second, forwarders=()) == Account(
        TWO, "acme-prod", "security/TaegisAudit", "TaegisFix", "acme-7", ("eu-west-1", "us-east-1"), {"env": "prod"},
        "acme",
    )  # fmt: skip
    (table,) = second.forwarders
    assert (table.account, table.name, table.integration_type) == (TWO, "okta-*", "generic")


REFUSED = {
    "nothing": ("", "it names no account; write a [[account]] with an id for each"),
    "not-toml": ("[[account]", "not TOML: "),
    "unknown-table": ('[[accounts]]\nid = "1"', "unknown key accounts; did you mean account?"),
    "one-bracket": (f'[account]\nid = "{ONE}"', "account is not a list of tables; write [[account]] with two brackets"),
    "unknown-key": (
        f'[[account]]\nid = "{ONE}"\n[[account]]\nid = "{TWO}"\nrol = "x"',
        f"[[account]] number 2 ({TWO}): unknown key rol; did you mean role?",
    ),
    "unknown-forwarder-key": (
        f'[[account]]\nid = "{ONE}"\n[[account.forwarders]]\nname = "a"\nsns_topics = "x"',
        "unknown key sns_topics; did you mean sns_topic?",
    ),
    "without-id": ('[[account]]\nalias = "x"', "[[account]] number 1: id: Field required"),
    "id-as-a-number": (f"[[account]]\nid = {ONE}", "its id is not text; write it in quotes"),
    "short-id": ('[[account]]\nid = "11112222333"', "id: '11112222333' is not an account id: twelve digits"),
    "an-id-twice": (
        f'[[account]]\nid = "{ONE}"\n[[account]]\nid = "{TWO}"\n[[account]]\nid = "{ONE}"',
        f"account {ONE} stands in it twice; remove one of the two",
    ),
    "a-roles-arn": (
        f'[[account]]\nid = "{ONE}"\nrole = "arn:aws:iam::{ONE}:role/Audit"',
        "is not a role's name: without arn and account",
    ),
    "an-empty-role": (f'[[account]]\nid = "{ONE}"\nrole = ""', "role: '' is not a role's name"),
    "external-id": (f'[[account]]\nid = "{ONE}"\nexternal_id = "a b"', "external_id: 'a b' is not an external id"),
    "region": (f'[[account]]\nid = "{ONE}"\nregions = ["us-east"]', "regions.0: 'us-east' is not a region name"),
    "all-as-a-region": (f'[[account]]\nid = "{ONE}"\nregions = ["all"]', "'all' is not a region name"),
    "no-region": (f'[[account]]\nid = "{ONE}"\nregions = []', "regions is empty; name some, or leave the key out"),
    "regions-as-text": (f'[[account]]\nid = "{ONE}"\nregions = "us-east-1"', "regions: Input should be a valid tuple"),
    "tag-of-a-number": (f'[[account]]\nid = "{ONE}"\ntags = {{ tier = 1 }}', "tags.tier: Input should be a valid str"),
    "forwarders-account": (
        f'[[account]]\nid = "{ONE}"\n[[account.forwarders]]\nname = "a"\naccount = "{TWO}"',
        "its forwarders name an account; leave that key out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    text, expected = REFUSED[name]
    with pytest.raises(InputError) as caught:
        read_accounts_file(written(text, tmp_path))
    assert str(caught.value).startswith(f"accounts {tmp_path / 'fleet.toml'}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("there", [False, True], ids=["missing", "a-folder"])
def test_what_cannot_be_read_is_refused(there: bool, tmp_path: Path) -> None:
    path = tmp_path if there else tmp_path / "missing.toml"
    with pytest.raises(InputError, match="name a readable file"):
        read_accounts_file(AccountsFile(path))


class TestTags:
    TEXT = f'[[account]]\nid = "{ONE}"\ntags = {{ env = "prod", team = "x=y" }}\n[[account]]\nid = "{TWO}"'

    @pytest.mark.parametrize("tag", [Tag("env", "prod"), Tag("team", "x=y")])
    def test_a_tag_narrows_the_file(self, tag: Tag, tmp_path: Path) -> None:
        source = replace(written(self.TEXT, tmp_path), tag=tag)
        assert [account.id for account in read_accounts_file(source)] == [ONE]

    @pytest.mark.parametrize(
        ("tag", "near"),
        [(Tag("env", "prd"), "did you mean prod?"), (Tag("envs", "prod"), "did you mean env?")],
    )
    def test_a_tag_that_no_account_bears_is_refused_with_the_near_ones(
        self, tag: Tag, near: str, tmp_path: Path
    ) -> None:
        with pytest.raises(InputError, match=f"no account bears the tag {tag}; ") as caught:
            read_accounts_file(replace(written(self.TEXT, tmp_path), tag=tag))
        assert near in str(caught.value)

    def test_without_any_tag_in_the_file_it_says_how_to_give_one(self, tmp_path: Path) -> None:
        source = replace(written(f'[[account]]\nid = "{ONE}"', tmp_path), tag=Tag("env", "prod"))
        with pytest.raises(InputError, match="give accounts tags ="):
            read_accounts_file(source)


class TestSettings:
    def settings(self, acme: str = "", other: str = "") -> Settings:
        tenants = {"acme": {"accounts": [acme] if acme else []}, "other": {"accounts": [other] if other else []}}
        return parse_settings({"tenants": tenants, "forwarders": [{"name": "*", "integration_type": "all"}]}, "test")

    def joined(self, settings: Settings, *accounts: Account) -> Settings:
        return joined(settings, accounts, AccountsFile(Path("fleet.toml")))

    def test_an_accounts_tenant_is_that_of_the_settings(self) -> None:
        found = self.joined(self.settings(acme=THREE), Account(ONE, tenant="acme"), Account(TWO, tenant="other"))
        assert {name: tenant.accounts for name, tenant in found.tenants.items()} == {
            "acme": (THREE, ONE), "other": (TWO,)
        }  # fmt: skip

    def test_said_twice_alike_it_counts_once(self) -> None:
        assert self.joined(self.settings(acme=ONE), Account(ONE, tenant="acme")).tenants["acme"].accounts == (ONE,)

    def test_an_account_without_a_tenant_is_left_to_the_settings(self) -> None:
        assert self.joined(self.settings(acme=ONE), Account(ONE)).tenants == self.settings(acme=ONE).tenants

    def test_a_contradiction_is_refused(self) -> None:
        with pytest.raises(InputError, match=f"account {ONE} belongs to tenant other by the settings and to acme by"):
            self.joined(self.settings(other=ONE), Account(ONE, tenant="acme"))

    def test_an_unknown_tenant_is_refused_with_the_near_ones(self) -> None:
        with pytest.raises(
            InputError, match=f"tenant 'acmee' of account {ONE} is not in the settings; did you mean ac"
        ):
            self.joined(self.settings(), Account(ONE, tenant="acmee"))
        with pytest.raises(InputError, match=r"add \[tenants.NAME\] to the settings"):
            self.joined(Settings(), Account(ONE, tenant="acme"))

    def test_its_forwarder_tables_go_before_those_of_the_settings_and_concern_the_account_alone(
        self, tmp_path: Path
    ) -> None:
        found = self.joined(self.settings(), *(
            replace(account, tenant=None) for account in read_accounts_file(written(FULL, tmp_path))
        ))  # fmt: skip
        assert found.parameters_for(TWO, "us-east-1", "okta-1") == {"IntegrationType": "generic"}
        assert found.parameters_for(ONE, "us-east-1", "okta-1") == {"IntegrationType": "all"}


SOURCES = {
    "--accounts=fleet.toml": AccountsFile(Path("fleet.toml")),
    "--accounts=fleets/acme": AccountsFile(Path("fleets/acme")),
    "--accounts=fleet.toml:tag=env=prod": AccountsFile(Path("fleet.toml"), Tag("env", "prod")),
    "--accounts=organization": Organization(),
    "--accounts=organization:ou=ou-abcd-11111111": Organization("ou-abcd-11111111"),
    "--accounts=organization:ou=r-abcd": Organization("r-abcd"),
    "--accounts=organization:tag=team=a:b=c": Organization(None, Tag("team", "a:b=c")),
    "--accounts=organization:ou=ou-abcd-11111111:tag=env=": Organization("ou-abcd-11111111", Tag("env", "")),
}

NO_SOURCES = {
    "--accounts=organisation": "not an account id; give twelve digits, separated by commas, or a .toml file; wri",
    "--accounts=organization:ou=prod": "'prod' is not the id of an organizational unit; write organization",
    "--accounts=organization:unit=ou-abcd-11111111": "'unit=ou-abcd-11111111' does not narrow an organization",
    "--accounts=organization:": "'' does not narrow an organization",
    "--accounts=organization:tag=env": "'env' is not a tag; write :tag=KEY=VALUE",
    "--accounts=organization:tag==prod": "'=prod' is not a tag",
    f"--accounts={ONE}:tag=env=prod": "a tag narrows a file or the organization",
    "--accounts=fleet.tml": "'fleet.tml': not an account id; give twelve digits, separated by commas, or a .toml",
    "--accounts=organization --regions=all": "its accounts are entered by a role; name it with --role=NAME",
    "--accounts=organization --replay=a.json": "a replay asks no organization; name account ids",
    "--accounts=organization --sandbox --regions=us-east-1": "the sandbox makes the accounts that it is told",
}  # fmt: skip


class TestOptions:
    @pytest.mark.parametrize("words", SOURCES)
    def test_a_source_is_parsed_and_writes_itself_as_it_was_given(self, words: str) -> None:
        source = SOURCES[words]
        options = parsed(words)
        assert (options.accounts_from, options.accounts) == (source, ())
        assert f"--accounts={source}" == words

    @pytest.mark.parametrize("words", NO_SOURCES)
    def test_what_is_no_source_is_refused_in_one_line(self, words: str) -> None:
        with pytest.raises(InputError) as caught:
            parsed(*words.split())
        assert NO_SOURCES[words] in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_the_files_accounts_are_those_of_the_run(self, tmp_path: Path) -> None:
        options, left_out = with_accounts_file(some_options(accounts_from=written(FULL, tmp_path), regions=("all",)))
        assert (options.accounts, left_out) == ((ONE, TWO), ())
        assert [account.id for account in options.fleet] == [ONE, TWO]

    def test_an_account_without_a_region_in_common_is_left_out_and_said_to_be(self, tmp_path: Path) -> None:
        source = written(FULL, tmp_path)
        options, left_out = with_accounts_file(some_options(accounts_from=source, regions=("eu-north-1",)))
        assert options.accounts == (ONE,)
        assert [(found.account, found.reason) for found in left_out] == [
            (TWO, "none of its regions in the file is among --regions")
        ]

    def test_no_account_with_a_region_in_common_is_refused(self, tmp_path: Path) -> None:
        source = written(f'[[account]]\nid = "{ONE}"\nregions = ["us-east-1"]', tmp_path)
        with pytest.raises(InputError, match="none of its accounts has a region that --regions names; say --regions="):
            with_accounts_file(some_options(accounts_from=source, regions=("eu-north-1",)))
