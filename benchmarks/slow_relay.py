"""A relay on 127.0.0.1 whose answers arrive later, as they do from a data centre: distance without a network."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

_CHUNK = 1 << 16
_OPENING = 2  # round trips that a connection costs before its first answer, TLS included; 1 is paid here


@contextlib.contextmanager
def slow_relay(endpoint: str, seconds: float) -> Iterator[str]:
    """The address of a relay to `endpoint` that hands on every answer `seconds` after it came.

    Chunks of one answer travel together: a long answer is late once. Requests are handed on at once.
    """
    upstream = urlsplit(endpoint)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="slow-relay", daemon=True)
    thread.start()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds * (_OPENING - 1))
        there, back = await asyncio.open_connection(upstream.hostname, upstream.port)
        await asyncio.gather(_copy(reader, back, 0.0), _copy(there, writer, seconds), return_exceptions=True)

    async def start() -> asyncio.Server:
        return await asyncio.start_server(relay, "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        while chunk := await source.read(_CHUNK):
            waiting.put_nowait((loop.time() + seconds, chunk))
        waiting.put_nowait((0.0, b""))

    reading = asyncio.create_task(read())
    try:
        while (due := await waiting.get())[1]:
            await asyncio.sleep(due[0] - loop.time())
            sink.write(due[1])
            await sink.drain()
    finally:
        reading.cancel()
        sink.close()
