"""The filter of system calls matches the policy, on both architectures, whatever machine runs these tests."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

import pytest

from librechat_code_interpreter.engines.local.engine_config import read_policy
from librechat_code_interpreter.engines.local.seccomp import compile_policy
from librechat_code_interpreter.engines.local.syscall_numbers import NUMBERS
from tests.engine import bpf

POLICY = read_policy()
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
EPERM, ENOSYS = bpf.ERRNO | errno.EPERM, bpf.ERRNO | errno.ENOSYS
EAFNOSUPPORT, DONE = bpf.ERRNO | errno.EAFNOSUPPORT, bpf.ERRNO
LOOKED_AT = {"socket", "socketpair", "ioctl", "clone", "personality", "setsockopt"}
ARGUMENTS = [(rule.split()[0], int(rule.split()[1]), int(rule.split()[2])) for rule in POLICY["arguments"]]
HIGH = 1 << 32
GARBAGE = (1 << 64) - 1

# What makes the kernel larger for a program than it has to be; the policy may name more.
MUST_BE_DENIED = [
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "fsconfig",
    "fspick",
    "mount_setattr",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "bpf",
    "perf_event_open",
    "keyctl",
    "add_key",
    "request_key",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "userfaultfd",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "setns",
    "unshare",
    "quotactl",
    "acct",
    "name_to_handle_at",
    "open_by_handle_at",
    "memfd_secret",
    "settimeofday",
    "clock_settime",
]


class Filter:
    """A compiled filter for one architecture, and its column in the table of numbers."""

    def __init__(self, machine: str, *, has_memory_cgroup: bool) -> None:
        self.column, self.audit = MACHINES[machine]
        compiled = compile_policy(POLICY, has_memory_cgroup=has_memory_cgroup, machine=machine)
        assert len(compiled) % 8 == 0
        self.program = bpf.disassemble(compiled)

    def number(self, name: str) -> int | None:
        return NUMBERS[name][self.column]

    def verdict(self, name: str, *arguments: int) -> int:
        """Return the verdict on a call, which must exist on this architecture."""
        number = self.number(name)
        assert number is not None
        return self.of_number(number, *arguments)

    def of_number(self, number: int, *arguments: int, audit: int | None = None) -> int:
        return bpf.run(self.program, bpf.data(self.audit if audit is None else audit, number, *arguments))


@pytest.fixture(params=[(machine, counted) for machine in MACHINES for counted in (True, False)], ids=str)
def filter_(request: pytest.FixtureRequest) -> Filter:
    """Compile for each architecture, with and without a control group that counts memory."""
    machine, has_memory_cgroup = request.param
    return Filter(machine, has_memory_cgroup=has_memory_cgroup)


def test_the_kernel_would_take_the_filter(filter_: Filter) -> None:
    """It is not too long, has no unknown instruction, and no jump leads out of it."""
    bpf.check(filter_.program)


def test_an_instruction_is_laid_out_as_the_kernel_wants_it(filter_: Filter) -> None:
    """The first one loads the architecture: two bytes of code, two jumps, four bytes of value, in native order."""
    compiled = compile_policy(POLICY, has_memory_cgroup=True, machine="x86_64")
    assert compiled[:8] == struct.pack("=HBBI", 0x20, 0, 0, 4)


def test_every_denied_call_is_denied(filter_: Filter) -> None:
    """Whatever its arguments: EPERM for what the policy denies, ENOSYS for what it declares absent."""
    for arguments in ((), (GARBAGE,) * 6):
        for name in POLICY["syscalls"]:
            if filter_.number(name) is not None:
                assert filter_.verdict(name, *arguments) == EPERM, name
        for name in POLICY["syscalls_absent"]:
            assert filter_.verdict(name, *arguments) == ENOSYS, name


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_that_nobody_counts_is_absent(machine: str) -> None:
    """Some calls are absent exactly where no control group counts their memory."""
    for name in POLICY["syscalls_absent_without_memory_cgroup"]:
        assert Filter(machine, has_memory_cgroup=False).verdict(name) == ENOSYS
        assert Filter(machine, has_memory_cgroup=True).verdict(name) == bpf.ALLOW


def test_every_other_call_is_allowed(filter_: Filter) -> None:
    """Calls outside of the policy pass: no number is hit by mistake."""
    named = {number for name in NUMBERS if (number := filter_.number(name)) is not None}
    for number in range(1024):
        if number not in named:
            assert filter_.of_number(number, *(GARBAGE,) * 6) == bpf.ALLOW, number


def test_another_architecture_is_the_end(filter_: Filter) -> None:
    """Calls in the numbers of another architecture (32-bit programs) kill the process, even harmless ones."""
    for audit in (
        0x40000003,
        0x40000028,
        0,
        0xFFFFFFFF,
        *(other for _, other in MACHINES.values() if other != filter_.audit),
    ):
        for number in (0, 20, 39, 101):
            assert filter_.of_number(number, audit=audit) == bpf.KILL_PROCESS


def test_the_x32_numbers_are_the_end() -> None:
    """x86_64 has every call a second time under another number; those kill the process."""
    filter_ = Filter("x86_64", has_memory_cgroup=True)
    for number in (0x40000000, 0x40000027, 0x40000000 | 101, 0x40000000 | 512, 0xFFFFFFFF):
        assert filter_.of_number(number) == bpf.KILL_PROCESS


@pytest.mark.parametrize("name", ["socket", "socketpair"])
def test_sockets_are_of_the_families_and_types_that_are_allowed(filter_: Filter, name: str) -> None:
    """UNIX, INET, INET6; no raw type in any of them; flags beside the type and bits above 32 change nothing."""
    flags = 0o2000000 | 0o4000  # SOCK_CLOEXEC, SOCK_NONBLOCK
    for family in [*range(64), 255, 0x7FFFFFFF, 0xFFFFFFFF]:
        for kind in range(16):
            is_raw = kind in (3, 10)
            wanted = EAFNOSUPPORT if family not in (1, 2, 10) else EPERM if is_raw else bpf.ALLOW
            for extra in (0, flags):
                for high in (0, HIGH):
                    assert filter_.verdict(name, family | high, kind | extra | high, GARBAGE) == wanted, (family, kind)


def test_namespaces_cannot_be_made_by_clone(filter_: Filter) -> None:
    """Each flag for a namespace denies, alone and among others; the flags of threads and forks pass."""
    namespaces = [1 << bit for bit in (7, 17, 25, 26, 27, 28, 29, 30)]
    assert POLICY["clone"]["denied_flags"] == sum(namespaces)
    of_a_thread = 0x3D0F00
    of_a_fork = 0x1200011
    of_a_vfork = 0x4111
    for passing in (of_a_thread, of_a_fork, of_a_vfork, 17, 0):
        assert filter_.verdict("clone", passing, GARBAGE) == bpf.ALLOW
        for flag in namespaces:
            for high in (0, HIGH):
                assert filter_.verdict("clone", passing | flag | high) == EPERM


def test_terminals_cannot_be_typed_into(filter_: Filter) -> None:
    """The two requests are denied on any descriptor, their neighbours are not."""
    denied = {int(number, 16) for number in POLICY["ioctls"]}
    assert denied == {0x5412, 0x541C}
    for number in range(0x5400, 0x5480):
        for high in (0, HIGH):
            wanted = EPERM if number in denied else bpf.ALLOW
            assert filter_.verdict("ioctl", 0, number | high, GARBAGE) == wanted, hex(number)


def test_the_personality_is_the_default(filter_: Filter) -> None:
    """Querying and the default pass, everything else does not."""
    for value in (0, 0xFFFFFFFF, HIGH, 0xFFFFFFFF | HIGH):
        assert filter_.verdict("personality", value) == bpf.ALLOW
    for bit in range(32):
        assert filter_.verdict("personality", 1 << bit) == EPERM
        assert filter_.verdict("personality", 0xFFFFFFFF ^ 1 << bit) == EPERM


def test_socket_buffers_do_not_grow(filter_: Filter) -> None:
    """Four options of SOL_SOCKET are answered with success and have no effect; all others reach the kernel."""
    ignored = {7, 8, 32, 33}
    for option in range(128):
        wanted = DONE if option in ignored else bpf.ALLOW
        for high in (0, HIGH):
            assert filter_.verdict("setsockopt", 3, 1 | high, option | high) == wanted, option
        for level in (0, 6, 17, 41):
            assert filter_.verdict("setsockopt", 3, level, option) == bpf.ALLOW


def test_the_runner_is_spared(filter_: Filter) -> None:
    """Calls that change limits or priorities are denied for process 1 and for all processes of the uid, else not."""
    for name, index, value in ARGUMENTS:
        for high in (0, HIGH):
            arguments = [0] * 6
            arguments[index] = value | high
            assert filter_.verdict(name, *arguments) == EPERM, (name, index, value)
    denied = {name: {(index, value) for call, index, value in ARGUMENTS if call == name} for name, _, _ in ARGUMENTS}
    for name, pairs in denied.items():
        for first in range(6):
            for second in range(6):
                wanted = EPERM if {(0, first), (1, second)} & pairs else bpf.ALLOW
                assert filter_.verdict(name, first, second, GARBAGE) == wanted, (name, first, second)


# --- the policy and the numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["syscalls", "syscalls_absent", "syscalls_absent_without_memory_cgroup"])
def test_every_name_has_a_reason_and_a_number(table: str) -> None:
    """A denied call says why, in words, and is known by number on at least one architecture."""
    for name, reason in POLICY[table].items():
        assert len(reason.split()) >= 3, name
        assert any(number is not None for number in NUMBERS[name]), name


def test_the_other_rules_have_reasons_too() -> None:
    """Requests and socket options are named in words beside their numbers."""
    for number, reason in (POLICY["ioctls"] | POLICY["socket_options_ignored"]).items():
        assert int(number, 0) > 0
        assert reason
    assert all(len(reason.split()) >= 3 for reason in POLICY["arguments"].values())


def test_the_policy_denies_what_it_must() -> None:
    """The calls that the design lists are in the policy."""
    assert set(MUST_BE_DENIED) <= set(POLICY["syscalls"])
    assert "clone3" in POLICY["syscalls_absent"]


def test_no_call_is_in_two_tables() -> None:
    """One call has one rule: of two, the first would win silently."""
    named = [
        *POLICY["syscalls"], *POLICY["syscalls_absent"], *POLICY["syscalls_absent_without_memory_cgroup"], *LOOKED_AT,
        *dict.fromkeys(name for name, _, _ in ARGUMENTS),
    ]  # fmt: skip
    assert len(named) == len(set(named))
    assert set(named) == NUMBERS.keys()


@pytest.mark.parametrize("column", [0, 1], ids=["x86_64", "aarch64"])
def test_no_number_is_used_twice(column: int) -> None:
    """Two names of one number are a mistake."""
    numbers = [pair[column] for pair in NUMBERS.values() if pair[column] is not None]
    assert len(numbers) == len(set(numbers))


def _libseccomp() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    return library


LIBSECCOMP = _libseccomp()


@pytest.mark.skipif(
    LIBSECCOMP is None, reason="libseccomp.so.2, whose table this compares with, is not on this machine"
)
@pytest.mark.parametrize(("machine", "name"), [(machine, name) for machine in MACHINES for name in NUMBERS])
def test_numbers_are_those_of_libseccomp(machine: str, name: str) -> None:
    """The system's table has the same number, or the architecture has no such call."""
    assert LIBSECCOMP is not None
    column, token = MACHINES[machine]
    theirs = LIBSECCOMP.seccomp_syscall_resolve_name_arch(token, name.encode())
    if theirs == -1:
        pytest.skip(f"this libseccomp is older than {name}")
    assert NUMBERS[name][column] == (theirs if theirs >= 0 else None)


def test_the_machine_that_runs_this_is_one_of_them() -> None:
    """By default the filter is for this machine."""
    compiled = compile_policy(POLICY, has_memory_cgroup=True)
    assert compiled == compile_policy(POLICY, has_memory_cgroup=True, machine=platform.machine())


def test_an_unknown_architecture_is_an_error() -> None:
    """An unknown architecture is an error at the start."""
    with pytest.raises(KeyError):
        compile_policy(POLICY, has_memory_cgroup=True, machine="riscv64")
