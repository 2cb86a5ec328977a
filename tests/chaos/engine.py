"""The sandbox's engine, which can also put everything back as it was: seeding anew would cost each case ten seconds.

`POST /_chaos/keep/NAME` remembers every store of every service, `POST /_chaos/restore/NAME` puts them back. Runs in the
engine's process, started as `python -m tests.chaos.engine FD TEMPORARY_DIRECTORY`.
"""

import copy
import json
import sys
from collections.abc import Iterator

from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
from ministack.services import lambda_svc

from fixtures.sandbox import server
from fixtures.sandbox.aws_call import Answer
from fixtures.sandbox.strict_layer import App, Message, Receive, Send

_STORES = AccountScopedDict | AccountRegionScopedDict


class Keeper:
    """Remembers and puts back; sessions of roles are left as they are, nobody meets those of an earlier case."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._kept: dict[str, dict[tuple[str, str], dict]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or not path.startswith("/_chaos/"):
            await self._app(scope, receive, send)
            return
        act, _, state = path.removeprefix("/_chaos/").partition("/")
        answer = self.keep(state) if act == "keep" else self.restore(state)
        body = json.dumps({"stores": answer}).encode()
        told = Answer(200, ((b"content-length", str(len(body)).encode()),), body)
        await send({"type": "http.response.start", "status": told.status, "headers": list(told.headers)})
        await send({"type": "http.response.body", "body": told.body})

    def keep(self, state: str) -> int:
        self._kept[state] = {name: copy.deepcopy(store._data) for name, store in _stores()}
        return len(self._kept[state])

    def restore(self, state: str) -> int:
        lambda_svc._pool_clear_all()  # processes of functions that are about to be other functions
        for name, store in _stores():
            store._data.clear()
            store._data.update(copy.deepcopy(self._kept[state].get(name, {})))
        return len(self._kept[state])


def _stores() -> Iterator[tuple[tuple[str, str], _STORES]]:
    seen = set()
    for module in sorted(name for name in sys.modules if name.startswith("ministack.services.")):
        for name, found in sorted(vars(sys.modules[module]).items()):
            if isinstance(found, _STORES) and id(found) not in seen:
                seen.add(id(found))
                yield (module, name), found


if __name__ == "__main__":
    server.main(Keeper)
