"""Run folders of shards as runs would have left them, and the same estate as one run sees it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.desired import read_desires
from fixtures.estate import Bucket, Estate, LeftOut, Target
from fixtures.fact import Cause, Unreadable
from fixtures.run_folder import ROOT as RUNS
from fixtures.sandbox.synthetic_release import write_release
from fixtures.selection import Selection
from fixtures.settings import parse_settings
from fixtures.shard import Shard
from fixtures.shard_record import asked_of, record_of, write_estate, write_record
from tests.estates import a_forwarder, an_estate, an_unreached
from tests.replayed import Ran, kept, run_suite
from tests.some_options import some_options

ONE, TWO, THREE = "111122223333", "444455556666", "777788889999"
EAST, WEST = "us-east-1", "eu-west-1"
FORWARDERS = (
    a_forwarder("cloudtrail-prod", Target(ONE, EAST), bucket_name="central"),
    a_forwarder("cloudtrail-copy", Target(TWO, EAST), bucket_name="central"),
    a_forwarder("alb-edge", Target(TWO, WEST)),
)
GONE = an_unreached(Target(THREE, EAST))
WHOLE = replace(
    an_estate(*FORWARDERS, targets=(GONE,)), left_out=(LeftOut("666677778888", "SUSPENDED in the organization"),)
)
TARGETS = tuple(seen.target for seen in WHOLE.targets)


def share(shard: Shard, whole: Estate = WHOLE, *, refused: str = "", later: int = 0) -> Estate:
    """What this shard sees of it; the account `refused` is shown no bucket."""
    seen = tuple(found for found in whole.targets if found.target in shard.targets(TARGETS))
    names = {forwarder.bucket_name for found in seen for forwarder in found.forwarders}
    buckets = {name: found for name, found in whole.buckets.items() if name in names}
    if refused in {found.target.account for found in seen}:
        buckets = {name: denied(found) for name, found in buckets.items()}
    return replace(whole, targets=seen, buckets=buckets, calls={"sts:GetCallerIdentity": len(seen)},
                   taken=whole.taken + timedelta(minutes=later))  # fmt: skip


def denied(bucket: Bucket) -> Bucket:
    why = Unreadable("s3:GetBucketNotification", Cause.DENIED, "AccessDenied: no")
    return replace(bucket, region=why, notification=why, encryption=why)


class Folders:
    """Run folders of shards, as runs would have left them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.release = write_release(folder / "downloads")
        self.settings = parse_settings({"release": str(self.release), "taegis_region": "ctpx"}, "of a test")

    def leave(self, name: str, shard: Shard, estate: Estate | None, **asked: object) -> Path:
        """The folder of a shard; without an estate it was killed."""
        options = some_options(regions=(EAST, WEST), accounts=(ONE, TWO, THREE), shard=shard)
        desires = read_desires(options, self.settings)
        question = asked_of(shard.of, options, Selection(), desires, None).model_copy(update=asked)
        folder = self.folder / name / RUNS / f"20261124T041530Z-{shard.number:04}"
        folder.mkdir(parents=True)
        write_record(record_of(question, options, desires, TARGETS), folder)
        if estate:
            write_estate(estate, folder)
        return folder

    def all(self, of: int, *, refused: str = "") -> list[Path]:
        shards = [Shard(number, of) for number in range(1, of + 1)]
        return [self.leave(f"s{one.number}", one, share(one, later=one.number, refused=refused)) for one in shards]


def merged(pytester: pytest.Pytester, *words: object) -> Ran:
    return run_suite(pytester, *(str(word) if str(word).startswith("-") else f"--merge={word}" for word in words))


def whole(pytester: pytest.Pytester, folders: Folders, *more: str) -> Ran:
    pytester.path.joinpath("own.toml").write_text(
        f'release = "{folders.release}"\ntaegis_region = "ctpx"\n', encoding="utf-8"
    )
    return run_suite(pytester, kept(pytester, WHOLE), f"--settings={pytester.path / 'own.toml'}", *more)


def told(ran: Ran) -> Mapping[tuple[str, str], object]:
    return {name: replace(result, seconds=0.0) for name, result in ran.results.items()}


def summary(ran: Ran) -> list[str]:
    """The summary, without what no two runs share: id, mode, time and duration."""
    lines = ran.text.rpartition(" summary ===")[2].splitlines()[1:]
    return [line.partition("; looked at")[0] for line in lines
            if not line.startswith(("run ", "written ", "==", "commands", "look again"))]  # fmt: skip
