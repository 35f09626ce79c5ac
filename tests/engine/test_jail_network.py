"""A program's network in a jail: the loopback of its own."""

from __future__ import annotations

import asyncio
import socket

import pytest

from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from tests.engine.asking import answer, output, python
from tests.engine.conftest import CANARY

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_there_is_one_interface_and_no_route(sandbox: LocalSandbox) -> None:
    """Only `lo`, and nothing outside can be reached, by name or by number."""
    source = """
import errno, json, socket
interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
routes = open("/proc/net/route").read().splitlines()[1:]
reached = []
for address in (("192.0.2.1", 80), ("169.254.169.254", 80), ("10.0.0.1", 53), ("example.com", 80), ("2001:db8::1", 80)):
    try:
        socket.create_connection(address, timeout=5)
        reached.append(address)
    except TimeoutError:
        reached.append(f"{address} may be there")
    except OSError:
        pass
print(json.dumps([interfaces, routes, reached]))
"""
    assert await answer(sandbox, source) == [["lo"], [], []]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
async def test_a_program_can_talk_to_itself(sandbox: LocalSandbox, address: str) -> None:
    """The loopback of a jail works, by number and by name."""
    source = f"""
import socket, sys
family = socket.AF_INET6 if ":" in {address!r} else socket.AF_INET
with socket.create_server(({address!r}, 0), family=family) as server:
    client = socket.create_connection(({address!r}, server.getsockname()[1]))
    peer, _ = server.accept()
    client.sendall(b"hello")
    print(peer.recv(5))
"""
    assert await output(sandbox, python(source)) == "b'hello'\n"


async def test_the_hosts_loopback_is_another(sandbox: LocalSandbox) -> None:
    """Services of the host on 127.0.0.1, ::1, or an abstract socket are unreachable."""
    name = f"\0{CANARY}-socket"
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(name)
        abstract.listen()
        port = listening.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        source = f"""
import errno, json, socket
outcomes = []
for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_UNIX, {name!r})):
    try:
        socket.socket(family).connect(address)
        outcomes.append("connected")
    except OSError as error:
        outcomes.append(errno.errorcode[error.errno])
print(json.dumps(outcomes))
"""
        assert await answer(sandbox, source) == ["ECONNREFUSED", "ECONNREFUSED"]


async def test_sockets_are_of_three_families_and_not_raw(sandbox: LocalSandbox) -> None:
    """UNIX, INET and INET6, streams and datagrams; NETLINK, PACKET, VSOCK and all the rest are refused."""
    source = """
import json, socket
made = []
for family in range(64):
    for kind in (1, 2, 3, 4, 5, 6, 10):
        for flags in (0, socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK):
            try:
                socket.socket(family, kind | flags).close()
                made.append((family, kind))
            except OSError:
                pass
            try:
                for end in socket.socketpair(family, kind | flags):
                    end.close()
                made.append((family, kind))
            except OSError:
                pass
print(json.dumps(sorted(set(made))))
"""
    made = {tuple(pair) for pair in await answer(sandbox, source)}
    assert {family for family, _ in made} == {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}
    assert {kind for _, kind in made} <= {socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET}


async def test_socket_buffers_cannot_grow(sandbox: LocalSandbox) -> None:
    """A request for more kernel memory is answered with success, as programs expect, and has no effect."""
    source = """
import json, socket
ends = [*socket.socketpair(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
sizes = []
for end in ends:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF, 32, 33):
        before = [end.getsockopt(socket.SOL_SOCKET, kind) for kind in (socket.SO_SNDBUF, socket.SO_RCVBUF)]
        end.setsockopt(socket.SOL_SOCKET, option, 1 << 30)
        after = [end.getsockopt(socket.SOL_SOCKET, kind) for kind in (socket.SO_SNDBUF, socket.SO_RCVBUF)]
        sizes.append(before == after)
ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
print(json.dumps([all(sizes), ends[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]))
"""
    assert await answer(sandbox, source) == [True, 1]


_COOKIE = "socket.socket(socket.AF_UNIX).getsockopt(socket.SOL_SOCKET, 71, 8).hex()"
"""``SO_NETNS_COOKIE``: never the same for two namespaces, as numbers of inodes may be."""


async def test_every_program_has_a_network_namespace_that_no_other_had(engine: LocalEngine) -> None:
    """State of a network namespace, such as IPv6 flow labels, reaches no later program."""
    seen = []
    for _ in range(10):
        sandbox = await engine.create()
        seen.append((await output(sandbox, python(f"import socket; print({_COOKIE})"))).strip())
        await engine.destroy(sandbox.id)
    assert len(set(seen)) == len(seen)


async def test_no_two_programs_at_once_have_one_network(engine: LocalEngine) -> None:
    """The same with more network namespaces than warm jails."""
    sandboxes = [await engine.create() for _ in range(24)]
    source = f"import socket, time; time.sleep(1.5); print({_COOKIE})"
    networks = await asyncio.gather(*(output(sandbox, python(source)) for sandbox in sandboxes))
    assert len(set(networks)) == len(sandboxes)
    for sandbox in sandboxes:
        await engine.destroy(sandbox.id)
