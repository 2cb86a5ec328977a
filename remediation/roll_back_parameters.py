"""Values that a rollback cannot read back (NoEcho), given in a file and never shown."""

import fnmatch
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fixtures.errors import InputError, near
from fixtures.estate import Target
from fixtures.secret import Secret

_OPTION = "--rollback-parameters"


class _Stack(BaseModel):
    """Values for the stacks whose name matches; the first matching table wins, key by key."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    name: str
    account: str = "*"
    region: str = "*"
    parameters: Mapping[str, str] = Field(repr=False)

    def matches(self, target: Target, stack: str) -> bool:
        pairs = ((stack, self.name), (target.account, self.account), (target.region, self.region))
        return all(fnmatch.fnmatchcase(found, pattern) for found, pattern in pairs)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    stack: tuple[_Stack, ...] = Field(default=(), repr=False)


class GivenValues:
    """What the file says; every value leaves it as a `Secret`."""

    def __init__(self, tables: tuple[_Stack, ...] = ()) -> None:
        self._tables = tables

    def of(self, target: Target, stack: str) -> Mapping[str, Secret]:
        """The values given for one stack, by parameter."""
        found: dict[str, Secret] = {}
        for table in self._tables:
            if table.matches(target, stack):
                found = {**{name: Secret(text) for name, text in table.parameters.items()}, **found}
        return found


def read_given_values(path: Path | None) -> GivenValues:
    """Read `[[stack]]` tables: `name` (a glob), `account`, `region`, `parameters = { Name = "value" }`.

    Raises:
        InputError: the file cannot be read, is not TOML, or holds something else; never with a value in it.
    """
    if path is None:
        return GivenValues()
    where = f"{_OPTION}={path}"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(where, error.strerror or "cannot be read", "name a readable file") from None
    except UnicodeDecodeError:
        raise InputError(where, "it is not UTF-8 text", "name a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        # tomllib tells where, and sometimes a character; never a value
        place = str(error).rpartition("(")[2].rstrip(")")
        raise InputError(where, f"not TOML ({place})", "mend the file at that place") from None
    try:
        return GivenValues(_File.model_validate(content).stack)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        named = ".".join(str(step) for step in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _Stack.model_fields if len(first["loc"]) > 1 else _File.model_fields
            raise InputError(where, f"unknown key {named}", near(str(first["loc"][-1]), known)) from None
        raise InputError(where, f"{named}: {first['msg']}", "correct that value") from None
