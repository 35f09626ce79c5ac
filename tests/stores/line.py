"""A TCP proxy that cuts connections, or changes bytes in transit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CHUNK_BYTES = 64 * 1024


class Line:
    """Pass bytes on between clients and a server on the loopback."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.cut_after_bytes: int | None = None
        """How much of the server's a connection carries before it breaks."""

        self.cuts = 0
        self.words: dict[bytes, bytes] = {}
        """What the server reads instead of what the client wrote."""

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.close()
            return
        for work in (self._requests(reader, to_server[1], writer), self._replies(to_server[0], writer, to_server[1])):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(_CHUNK_BYTES):
                for word, instead in self.words.items():
                    data = data.replace(word, instead)
                writer.write(data)
                await writer.drain()
        except OSError:
            other.close()
        writer.close()

    async def _replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: asyncio.StreamWriter
    ) -> None:
        left = self.cut_after_bytes
        try:
            while data := await reader.read(_CHUNK_BYTES if left is None else min(left, _CHUNK_BYTES)):
                writer.write(data)
                await writer.drain()
                left = None if left is None else left - len(data)
                if left == 0:
                    self.cuts += 1
                    break
        except OSError:
            other.close()
        writer.close()
        other.close()

    async def close(self) -> None:
        """Close the remaining connections."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def line_to(server_port: int) -> AsyncIterator[Line]:
    """Listen on a free port."""
    line = Line(server_port)
    server = await asyncio.start_server(line.connect, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        await line.close()
