"""Which shards a merged run was made of."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from fixtures.errors import SuiteError
from fixtures.shard_record import ESTATE, RECORD, read_record
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, json_file

FILE = "shards.json"


def shards(material: Material) -> Iterator[Piece]:
    """The shards by the names of their run folders."""
    if not material.options.merge:
        yield Lacking("shards", "the run was not merged (taegis-forwarders merge)")
        return
    folders = sorted(path.parent for folder in material.options.merge for path in folder.rglob(RECORD))
    yield json_file(FILE, [_shard(folder) for folder in folders], "the shards that were merged into this run")


def _shard(folder: Path) -> Mapping[str, object]:
    try:
        record = read_record(folder)
    except SuiteError as error:
        return {"run": folder.name, "trouble": str(error)}
    return {
        "run": folder.name,
        "shard": str(record.shard),
        "finished": (folder / ESTATE).is_file(),
        "version": record.asked.suite,
    }
