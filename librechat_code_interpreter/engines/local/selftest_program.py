"""Self-test program: tries to escape from its sandbox and prints a JSON list of what is open and should not be.

``engines.local.selftest`` fills in the numbers of the system calls to try.
"""

import ctypes
import functools
import json
import os
import socket
from collections.abc import Callable
from typing import Any

SYSCALLS: dict[str, int] = {}
FOUND: list[str] = []


def must_fail(what: str, attempt: Callable[[], Any]) -> None:
    """Record ``what`` if the attempt succeeds."""
    try:
        attempt()
    except (OSError, PermissionError):
        return
    FOUND.append(what)


def status() -> dict[str, str]:
    """Return the fields of ``/proc/self/status``."""
    with open("/proc/self/status") as lines:
        pairs = (line.rstrip("\n").partition(":\t") for line in lines)
        return {name: value for name, _, value in pairs}


def connect() -> None:
    """Connect to a public address, which must fail."""
    with socket.socket() as sock:
        sock.settimeout(1)
        sock.connect(("1.1.1.1", 53))


def main() -> None:
    """Make every attempt once; what succeeds goes to ``FOUND``."""
    must_fail("/etc/shadow can be read", functools.partial(open, "/etc/shadow"))
    for path in ("/x", "/usr/x", "/etc/x", "/dev/x", "/opt/x", "/proc/x", "/root/x", "/home/x"):
        must_fail(f"{path} can be written", functools.partial(open, path, "w"))
    must_fail("core_pattern can be written", functools.partial(open, "/proc/sys/kernel/core_pattern", "w"))
    must_fail("the network can be reached", connect)
    for family in (16, 17, 40):  # NETLINK, PACKET, VSOCK
        must_fail(f"a socket of family {family} can be made", functools.partial(socket.socket, family, 3))
    libc = ctypes.CDLL(None, use_errno=True)
    for name, number in SYSCALLS.items():
        if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() not in (1, 38):
            FOUND.append(f"the system call {name} is not denied")
    me = status()
    for name, wanted in (("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapBnd", "0" * 16), ("CapEff", "0" * 16)):
        if me.get(name) != wanted:
            FOUND.append(f"{name} is {me.get(name)}")
    if os.getuid() == 0:
        FOUND.append("programs run as root")
    if sum(name.isdigit() for name in os.listdir("/proc")) > 8:
        FOUND.append("other processes can be seen")
    with open("/proc/net/dev") as interfaces:
        if [line.split(":")[0].strip() for line in interfaces if ":" in line] != ["lo"]:
            FOUND.append("a network interface other than lo is there")
    if any(name.startswith(("ADAPTER_", "DAYTONA_", "CODEAPI_", "REDIS_")) for name in os.environ):
        FOUND.append("the service's environment can be seen")


main()
print(json.dumps(FOUND))
