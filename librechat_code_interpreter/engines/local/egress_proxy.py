"""Egress proxy in the service, through which programs reach the hosts that the operator names, and nothing else.

A jail's network namespace has no route out. But a socket belongs to the namespace in which it was made. Before it drops
its privileges, the jail opens a listening socket on its own loopback and passes it to the service. The service accepts
on it and answers as an HTTP proxy with one method, CONNECT. So a program connects to nothing but this module, and can
only send it the name of a host.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Coroutine, Iterable

from librechat_code_interpreter.engines.local.inside.jail import PROXY_PORT
from librechat_code_interpreter.engines.local.readable import readable

log = logging.getLogger(__name__)

_HEAD_BYTES = 8 * 1024
_HEAD_SECONDS = 10.0
_CONNECT_SECONDS = 10.0
_CONNECTIONS = 16
"""Maximum at one time from one jail: pip takes one, a downloader a few."""

_CHUNK = 64 * 1024
_HTTPS = 443
_CONNECT = re.compile(rb"CONNECT ([A-Za-z0-9._-]{1,253}):(\d{1,5}) HTTP/1\.[01]\r\n")

PACKAGES = ".packages"
"""Where pip puts what a program installs: a hidden directory of the workspace, which no run collects (K21)."""


def parse(hosts: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Parse hosts of the form ``name`` or ``name:port``. The default port is HTTPS's."""
    parts = (host.strip().lower().partition(":") for host in hosts)
    return frozenset((name, int(port) if port else _HTTPS) for name, _, port in parts)


def program_env(workspace: str, index_url: str) -> dict[str, str]:
    """Return the environment with which programs use the proxy, and install with pip without further options."""
    packages = f"{workspace}/{PACKAGES}"
    proxy = f"http://127.0.0.1:{PROXY_PORT}"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": "localhost,127.0.0.1",
        "PIP_INDEX_URL": index_url,
        "PIP_NO_INDEX": "0",
        "PIP_TARGET": packages,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONPATH": packages,
    }


class EgressProxy:
    """Proxies of all jails."""

    def __init__(self, hosts: frozenset[tuple[str, int]]) -> None:
        self._hosts = hosts

    async def open(self, wire: socket.socket) -> asyncio.Server:
        """Receive a new jail's listening socket on its wire and serve on it. Raises ``OSError`` if the jail ended."""
        await readable(wire.fileno())
        _, descriptors, _, _ = socket.recv_fds(wire, 1, 1)
        if not descriptors:
            raise ConnectionResetError("the jail ended before its run")
        listener = socket.socket(fileno=descriptors[0])
        listener.setblocking(False)
        listener.set_inheritable(False)
        return await asyncio.start_server(_Proxy(self._hosts).serve, sock=listener, limit=_HEAD_BYTES)


class _Proxy:
    """Proxy of one jail."""

    def __init__(self, hosts: frozenset[tuple[str, int]]) -> None:
        self._hosts = hosts
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request, connect if that is allowed, and forward bytes until one side ends."""
        self._open += 1
        try:
            await self._answer(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug("a connection of a program ended: %s", type(error).__name__)
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        asked = _CONNECT.match(head)
        if asked is None:
            await _refuse(writer, "405 Method Not Allowed", "This proxy knows CONNECT alone.")
            return
        target = asked[1].decode().lower(), int(asked[2])
        if target not in self._hosts:
            await _refuse(writer, "403 Forbidden", f"The operator does not allow {target[0]}:{target[1]}.")
        elif self._open > _CONNECTIONS:
            await _refuse(writer, "429 Too Many Requests", f"A program has {_CONNECTIONS} connections at most.")
        else:
            await _pass_on(target, reader, writer)


async def _refuse(writer: asyncio.StreamWriter, status: str, reason: str) -> None:
    body = f"{reason}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def _pass_on(target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            far_reader, far_writer = await asyncio.open_connection(*target)
    except (OSError, TimeoutError) as error:
        log.info("%s:%d cannot be reached for a program: %s", *target, type(error).__name__)
        await _refuse(writer, "502 Bad Gateway", "The host does not answer.")
        return
    try:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _until_one_ends(_pump(reader, far_writer), _pump(far_reader, writer))
    finally:
        far_writer.close()


async def _until_one_ends(*pumps: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
