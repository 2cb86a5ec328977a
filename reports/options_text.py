"""Options, settings and exit codes as a Markdown page (docs/options.md), made from their declarations."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fixtures.accounts_file import AccountEntry
from fixtures.option_groups import add_options
from fixtures.settings import DEFAULT_FILE, ForwarderSettings, Settings, TenantSettings

if TYPE_CHECKING:
    import pytest

EXIT_CODES = (
    (0, "all holds, or everything was fixed and proved"),
    (1, "findings remain (BLOCKED included); under `--plan`: something would change"),
    (2, "interrupted"),
    (3, "internal error: a check or the suite broke down"),
    (4, "usage: an option or a file cannot be used; nothing was called"),
    (5, "no check was selected"),
    (10, "nothing found wrong, but something could not be seen"),
    (11, "a fix failed or was stopped after something had been written"),
)


@dataclass(slots=True)
class _Group:
    """Takes the declarations that a pytest option group would take."""

    title: str
    options: list[tuple[str, str]] = field(default_factory=list)

    def addoption(self, name: str, **attributes: object) -> None:
        """Note an option as users write it, with its help."""
        metavar, optional = attributes.get("metavar"), attributes.get("nargs") == "?"
        value = f"={metavar}" if metavar else ""
        self.options.append(
            (f"{name}[{value}]" if optional else f"{name}{value}", str(attributes["help"]).replace("%%", "%"))
        )


@dataclass(slots=True)
class _Recorder:
    groups: list[_Group] = field(default_factory=list)

    def getgroup(self, title: str) -> _Group:
        """Open a group, as pytest's parser does."""
        self.groups.append(_Group(title))
        return self.groups[-1]


def options_page() -> str:
    """The whole page."""
    recorder = _Recorder()
    add_options(cast("pytest.Parser", recorder))
    lines = [
        "# Options, settings, exit codes",
        "",
        "Written by `taegis-forwarders options`; do not edit it by hand.",
        "",
        "`pytest` in a checkout and `taegis-forwarders` when installed take the same options, and those of pytest:",
        "`--html`, `--junitxml`, `-k`, `-m`, `--lf`, `-n`, `-v`.",
    ]
    for group in recorder.groups:
        lines += [
            "",
            f"## {group.title.partition(': ')[2].capitalize()}",
            "",
            "| option | what it does |",
            "| --- | --- |",
        ]
        lines += [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in group.options]
    lines += ["", "## Exit codes", "", "The first that applies; the last line of a run says it in words.", ""]
    lines += ["| code | meaning |", "| --- | --- |", *(f"| {code} | {text} |" for code, text in EXIT_CODES)]
    return "\n".join([*lines, *_settings(), *_accounts(), ""])


def _settings() -> Iterator[str]:
    yield from ("", "## Settings", "", f"`--settings=FILE`, TOML; `{DEFAULT_FILE}` when that is there.")
    tables = (("", Settings), ("[tenants.NAME]", TenantSettings), ("[[forwarders]]", ForwarderSettings))
    for heading, model in tables:
        yield from ("", f"### {f'`{heading}`' if heading else 'Top level'}", "", "| key | default | what it is |",
                    "| --- | --- | --- |")  # fmt: skip
        yield from _keys(model)


def _accounts() -> Iterator[str]:
    yield from ("", "## Accounts file", "", "`--accounts=FILE`, TOML, one `[[account]]` each; [examples](accounts.md).",
                "", "| key | default | what it is |", "| --- | --- | --- |")  # fmt: skip
    yield from _keys(AccountEntry)


def _keys(model: type[BaseModel]) -> Iterator[str]:
    nested = {"tenants", "forwarders"} if model is Settings else set()
    for name, info in model.model_fields.items():
        if name not in nested:
            text = info.description or (
                Settings.model_fields[name].description if name in Settings.model_fields else ""
            )
            yield f"| `{name}` | {_default(info)} | {_cell(text or '')} |"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if info.default in (None, (), "") or info.default_factory is not None:
        return "-"
    return f"`{info.default}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
