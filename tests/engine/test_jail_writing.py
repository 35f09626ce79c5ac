"""Writable places in a jail: four."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from tests.engine.asking import answer

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITABLE = {"/mnt/data", "/workspace", "/tmp", "/dev/shm"}


async def test_only_four_places_can_be_written(sandbox: LocalSandbox) -> None:
    """Every mount but the workspace (under two names), /tmp and /dev/shm is read-only or takes no new file."""
    source = """
import json, os
mounts = [line.split()[4] for line in open("/proc/self/mountinfo")]
places = {os.path.join(d, name) for mount in {*mounts, "/"} if os.path.isdir(mount) and not mount.startswith("/proc")
          for d, names in [(mount, ["", *os.listdir(mount)])] for name in names}
written = set()
for place in places:
    if os.path.isdir(place) and not os.path.islink(place):
        try:
            path = os.path.join(place, "canary-51")
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            os.unlink(path)
            written.add(place.rstrip("/") or "/")
        except OSError:
            pass
    elif os.path.isfile(place):
        try:
            os.close(os.open(place, os.O_WRONLY | os.O_APPEND))
            written.add(place)
        except OSError:
            pass
print(json.dumps(sorted(written)))
"""
    written = await answer(sandbox, source)
    assert {place for place in written if not place.startswith("/tmp/.")} == WRITABLE


async def test_rights_cannot_be_changed_into_writing(sandbox: LocalSandbox) -> None:
    """Directories of the outer jail belong to the sandbox's uid; their mount is read-only all the same."""
    source = """
import json, os
changed = []
for path in ("/", "/etc", "/etc/passwd", "/opt", "/opt/adapter", "/dev", "/mnt", "/proc/self"):
    for call in (lambda: os.chmod(path, 0o777), lambda: os.rename(path, path + "x"), lambda: os.utime(path)):
        try:
            call()
            changed.append(path)
        except OSError:
            pass
print(json.dumps(changed))
"""
    assert await answer(sandbox, source) == []


async def test_the_kernels_settings_cannot_be_written(sandbox: LocalSandbox) -> None:
    """No file of /proc opens for writing: no kernel setting, no identity map, no score of the memory killer."""
    source = """
import json, os
paths = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe"]
paths += [f"/proc/self/{name}" for name in ("uid_map", "gid_map", "setgroups", "loginuid", "oom_score_adj", "comm")]
for directory, _, names in os.walk("/proc/sys"):
    paths += [os.path.join(directory, name) for name in names]
written = []
for path in paths:
    try:
        os.close(os.open(path, os.O_WRONLY))
        written.append(path)
    except OSError:
        pass
print(json.dumps([written, len(paths)]))
"""
    written, tried = await answer(sandbox, source)
    assert written == []
    assert tried > 100
