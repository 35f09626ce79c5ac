"""A plain load balancer: each connection to the next replica. It retries nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_CHUNK_BYTES = 64 * 1024


@dataclass(slots=True)
class Backend:
    """Counts of a replica's connections."""

    port: int
    served: int = 0
    refused: int = 0
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def open(self) -> int:
        """Count the connections that are open."""
        return len(self.serving)


class Balancer:
    """Pass each connection to the next replica in turn; one that refuses is skipped, since it has received nothing.

    Clients make a connection for each request, as LibreChat does, so that requests go in turn.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.backends = [Backend(port) for port in ports]
        self._turn = 0
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._pass_on(reader, writer, task)
        finally:
            self._serving.discard(task)
            await _close(writer)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> None:
        found = await self._connect()
        if found is None:
            return
        backend, from_replica, to_replica = found
        backend.serving.add(task)
        asking = asyncio.create_task(_pump(reader, to_replica))
        try:
            await _pump(from_replica, writer)
        finally:
            backend.serving.discard(task)
            asking.cancel()
            await asyncio.wait([asking])
            await _close(to_replica)

    async def _connect(self) -> tuple[Backend, asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self.backends:
            backend = self.backends[self._turn % len(self.backends)]
            self._turn += 1
            try:
                streams = await asyncio.open_connection("127.0.0.1", backend.port)
            except OSError:
                backend.refused += 1
                continue
            backend.served += 1
            return backend, *streams
        return None

    def leave(self, backend: Backend) -> None:
        """End all connections to a replica, as users do who wait no longer."""
        for task in backend.serving:
            task.cancel()

    async def close(self) -> None:
        """Close the remaining connections."""
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def balancing(ports: Sequence[int]) -> AsyncIterator[tuple[Balancer, str]]:
    """Listen on a free port; give the balancer and its address."""
    balancer = Balancer(ports)
    server = await asyncio.start_server(balancer.serve, "127.0.0.1", 0, backlog=512)
    try:
        yield balancer, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await balancer.close()
