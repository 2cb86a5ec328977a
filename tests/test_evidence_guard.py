"""The last look before a pack is written: a file with a secret of the run is left out, and no other one."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from fixtures.secret import Secret
from reports.evidence.guard import guarded
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, PackFile
from reports.summary import Summary
from tests.estates import a_release, some_desires
from tests.some_options import some_options

CREDENTIALS, EXTERNAL_ID = 'SYNTHETIC "quoted" credentials', "acme-7731-external"


def material(credentials: str = CREDENTIALS) -> Material:
    release = replace(a_release(), credentials=Secret(credentials))
    options = some_options(external_id=EXTERNAL_ID)
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return Material("run", now, Path(), cast("Summary", None), options, some_desires(release=release))


@pytest.mark.parametrize(
    "content",
    [
        f"id {EXTERNAL_ID}.".encode(),
        CREDENTIALS.encode(),
        json.dumps({"SecretString": CREDENTIALS}).encode(),
        gzip.compress(CREDENTIALS.encode()),
    ],
    ids=["external-id", "credentials", "as-json", "compressed"],
)
def test_a_file_that_holds_a_secret_is_left_out_and_said_to_be(content: bytes) -> None:
    left = guarded(PackFile("plan/plan.json", content, "the plan"), material())
    assert isinstance(left, Lacking)
    assert left.what == "plan/plan.json"


@pytest.mark.parametrize("credentials", [CREDENTIALS, ""], ids=["some", "empty"])
def test_every_other_file_stays_also_where_the_credentials_are_empty(credentials: str) -> None:
    file = PackFile("plan/plan.json", b"{}", "the plan")
    assert guarded(file, material(credentials)) is file
