"""A TCP proxy that misbehaves on demand: delay, a narrow line, a cut, a stall, a reset. Loopback only.

Runs an event loop in a thread of its own. ``latency`` is per direction in seconds, so a round trip costs twice that;
``bandwidth`` is bytes per second toward the client. ``cut_after``, ``stall_after`` and ``reset_after`` count bytes
toward the client over one connection; they strike the first ``times`` connections and leave later ones alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType

_CHUNK = 65536
_GRAIN = 0.002
"""Shorter waits are left out: the loop's timer would round each up to a millisecond and narrow the line."""


@dataclass
class Faults:
    """What to do to the connections; may be changed while the proxy runs (it counts for new connections)."""

    latency: float = 0.0
    bandwidth: float = 0.0
    cut_after: int | None = None
    stall_after: int | None = None
    reset_after: int | None = None
    times: int = 1_000_000


class FaultProxy:
    """``with FaultProxy(port, Faults(...)) as proxy: connect to proxy.port``. ``connections`` counts, ``passed`` are
    the bytes that went to the client."""

    def __init__(self, target: int, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.port = 0
        self.connections = 0
        self.passed = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _accept(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        self.connections += 1
        faults = self.faults if self.connections <= self.faults.times else Faults(self.faults.latency)
        try:
            far_in, far_out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            near_out.close()
            return
        up = asyncio.ensure_future(self._pump(near_in, far_out, Faults(faults.latency), count=False))
        down = asyncio.ensure_future(self._pump(far_in, near_out, faults, count=True))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        for task in (up, down):
            task.cancel()
        for writer in (near_out, far_out):
            with contextlib.suppress(OSError):
                writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, faults: Faults, *, count: bool
    ) -> None:
        """Copy one direction. Chunks wait in a queue until they are due, so that delay does not narrow the line."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1000)
        reading = asyncio.ensure_future(self._read(queue, source, faults))
        try:
            await self._write(queue, sink, faults, count=count)
        finally:
            reading.cancel()

    async def _read(
        self, queue: asyncio.Queue[tuple[float, bytes]], source: asyncio.StreamReader, faults: Faults
    ) -> None:
        data = b"start"
        while data:
            try:
                data = await source.read(_CHUNK)
            except OSError:
                data = b""
            await queue.put((self._loop.time() + faults.latency, data))

    async def _write(
        self, queue: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, faults: Faults, *, count: bool
    ) -> None:
        sent = 0
        free = 0.0
        while True:
            due, data = await queue.get()
            free = max(due, free)
            if free - self._loop.time() > _GRAIN:
                await asyncio.sleep(free - self._loop.time())
            if faults.bandwidth:
                free += len(data) / faults.bandwidth
            if not data:
                return
            limit = _limit(faults)
            if limit is not None and sent + len(data) >= limit:
                data = data[: max(0, limit - sent)]
                await self._send(sink, data, faults, count=count)
                await self._strike(sink, faults)
                return
            await self._send(sink, data, faults, count=count)
            sent += len(data)

    async def _send(self, sink: asyncio.StreamWriter, data: bytes, faults: Faults, *, count: bool) -> None:
        with contextlib.suppress(OSError):
            sink.write(data)
            await sink.drain()
        if count:
            self.passed += len(data)

    async def _strike(self, sink: asyncio.StreamWriter, faults: Faults) -> None:
        if faults.stall_after is not None:
            await asyncio.sleep(3600)
        if faults.reset_after is not None:
            found = sink.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sink.transport.abort()


def _limit(faults: Faults) -> int | None:
    given = [limit for limit in (faults.cut_after, faults.stall_after, faults.reset_after) if limit is not None]
    return min(given) if given else None
