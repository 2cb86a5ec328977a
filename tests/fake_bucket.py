"""A bucket in memory that is listed as S3 lists: pages of a thousand, delimiter, StartAfter; counted."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from datetime import datetime

from fixtures.ledger.logged_object import LoggedObject
from fixtures.readers.objects import Mark, ObjectPage


class FakeBucket:
    """Keys, and when each of them arrived; `asked` are the calls: prefix, delimiter, behind which key."""

    def __init__(self, keys: Iterable[str], arrived: Callable[[str], datetime], size: int = 1000) -> None:
        self.keys = sorted(keys)
        self.arrived = arrived
        self.size = size
        self.asked: list[tuple[str, str, str]] = []

    def ask(self, prefix: str, delimiter: str, mark: Mark) -> ObjectPage:
        """One page, as ListObjectsV2 gives it."""
        after = mark.token or mark.key
        self.asked.append((prefix, delimiter, after))
        objects: list[LoggedObject] = []
        prefixes: list[str] = []
        at = bisect_right(self.keys, after) if after and after >= prefix else bisect_left(self.keys, prefix)
        while at < len(self.keys) and len(objects) + len(prefixes) < self.size:
            key = self.keys[at]
            at += 1
            if not key.startswith(prefix):
                break
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                objects.append(LoggedObject("logs", key, 1, self.arrived(key)))
                continue
            common = key[: cut + 1]
            prefixes.append(common)
            at = bisect_right(self.keys, common + "\U0010ffff")
        more = at < len(self.keys) and self.keys[at].startswith(prefix)
        last = max([*(one.key for one in objects), *(f"{one}\U0010ffff" for one in prefixes)], default="")
        return ObjectPage(tuple(objects), tuple(prefixes), Mark(token=last) if more else None)
