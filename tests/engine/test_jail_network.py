"""What a program reaches from inside a jail: itself."""

from __future__ import annotations

import asyncio
import functools
import shlex
import socket
import subprocess
import sys

import pytest

from app.engines.local.engine import LocalEngine
from app.engines.local.sandbox import LocalSandbox
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
    """Services that listen on the host's 127.0.0.1, ::1, or on a socket without a file, are not there."""
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
    """Asking for more kernel memory is answered with success, as programs expect, and gives none."""
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

_LOOK = f"""
import json, socket
counts = {{name: open(f"/proc/net/{{name}}").read() for name in ("dev", "snmp", "snmp6", "udp", "udp6", "unix")}}
print(json.dumps([{_COOKIE}, counts]))
"""

_USES = {
    "IPv4": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "IPv6": "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('::1', 9))",
    "nobody's IPv4": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "nobody's IPv6": "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('2001:db8::1', 9))",
    "a connection": "socket.create_connection(socket.create_server(('127.0.0.1', 0)).getsockname())",
}


async def _namespaces(engine: LocalEngine, runs: int) -> set[str]:
    """Run programs one after the other until each spare is a newer one; tell which network each had."""
    seen = set()
    for _ in range(runs):
        sandbox = await engine.create()
        namespace, counts = await answer(sandbox, _LOOK)
        seen.add(namespace)
        assert counts == await _fresh_counts(), "somebody was there"
        await engine.destroy(sandbox.id)
    return seen


@functools.cache
def _a_fresh_network() -> dict[str, str]:
    """Count in a network that nobody was in but ``ip``."""
    names = ("dev", "snmp", "snmp6", "udp", "udp6", "unix")
    counts = "; ".join(f"cat /proc/self/net/{name}; echo ===" for name in names)
    program = "import fcntl,socket,struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1))"
    command = ["unshare", "--net", "--", "sh", "-c", f"{sys.executable} -c {shlex.quote(program)}; {counts}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("===\n")
    return dict(zip(names, told, strict=False))


async def _fresh_counts() -> dict[str, str]:
    return await asyncio.to_thread(_a_fresh_network)


async def test_a_network_that_nobody_used_is_given_again(engine: LocalEngine) -> None:
    """It cannot be told from a new one; making one takes as long as forking a program."""
    assert len(await _namespaces(engine, 30)) < 20


@pytest.mark.parametrize("use", _USES.values(), ids=_USES)
async def test_a_network_that_was_used_is_not_given_again(engine: LocalEngine, use: str) -> None:
    """Not even when all that a program did was to fail: the kernel counts it, and the next one could read that."""
    source = f"""
import socket
try:
    {use}
except OSError:
    pass
print({_COOKIE})
"""
    used = set()
    for _ in range(3):
        sandbox = await engine.create()
        used.add((await output(sandbox, python(source))).strip())
        await engine.destroy(sandbox.id)
    assert not used & await _namespaces(engine, 30)


async def test_no_two_programs_at_once_have_one_network(engine: LocalEngine) -> None:
    """Also when there are more of them than networks that are kept."""
    await _namespaces(engine, 10)
    sandboxes = [await engine.create() for _ in range(24)]
    source = f"import socket, time; time.sleep(1.5); print({_COOKIE})"
    networks = await asyncio.gather(*(output(sandbox, python(source)) for sandbox in sandboxes))
    assert len(set(networks)) == len(sandboxes)
    for sandbox in sandboxes:
        await engine.destroy(sandbox.id)


_FAILING = """
import os
from app.engines.local.inside import full, networks

ground = object.__new__(full.FullGround)
ground._proc = os.open("/proc", os.O_PATH)
ground._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
ground._networks = networks.Networks(ground._proc)

def fail(*_):
    raise BlockingIOError(11, "no more processes")

def held():
    return os.readlink("/proc/self/ns/net"), len(os.listdir("/proc/self/fd"))

before, told = held(), []
for module, name in ((os, "fork"), (networks.Networks, "_counts"), (full.sys_, "bring_up_loopback")):
    usual = getattr(module, name)
    setattr(module, name, fail)
    ground._networks._fresh = []
    for _ in range(3):
        try:
            ground.fork()
        except BlockingIOError:
            told.append(held() == before)
    setattr(module, name, usual)
print(told)
"""


async def test_a_fork_that_fails_leaves_nothing_in_the_zygote() -> None:
    """Neither a descriptor for each attempt, nor the zygote in a network that was meant for a jail."""
    shut = ("--user", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc")
    command = ["unshare", *shut, "--", sys.executable, "-c", _FAILING]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (str([True] * 9), "")
