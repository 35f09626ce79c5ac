"""Files that a program leaves: what is skipped, what is limited, what is hostile (K21)."""

from __future__ import annotations

from librechat_code_interpreter.units import MiB
from tests.contract.caller import Caller, Json, names
from tests.contract.conftest import Serve

HOSTILE = r"""
import os, socket
os.symlink('/etc/passwd', 'passwd.txt')
os.symlink('/etc', 'etc')
os.symlink('../../../../etc/shadow', 'relative.txt')
os.symlink('/mnt/data', 'self')
os.symlink('fine.txt', 'harmless-link.txt')
os.symlink('/proc/1/environ', 'environ')
os.mkfifo('pipe')
socket.socket(socket.AF_UNIX).bind('socket')
open('fine.txt', 'w').write('fine')
os.link('fine.txt', 'hard-link.txt')
open('locked.txt', 'w').write('locked')
os.chmod('locked.txt', 0)
os.mkdir('closed')
open('closed/in.txt', 'w').write('in')
os.chmod('closed', 0)
"""
MISNAMED = r"""
import os
open('new\nline.txt', 'w').close()
open(b'not-utf8-\xff.txt', 'w').close()
open('back\\slash.txt', 'w').close()
open('fine.txt', 'w').write('fine')
os.makedirs('/'.join(['deep' * 10] * 13))
open('/'.join(['deep' * 10] * 13) + '/lost.txt', 'w').write('deep')
for _ in range(300):
    os.mkdir('bottomless')
    os.chdir('bottomless')
open('lost.txt', 'w').write('deeper')
"""


def shortfall(answer: Json) -> tuple[str, int, int, int]:
    """Return an answer's ``artifact_delivery``, after a check of its fixed code."""
    told = answer["artifact_delivery"]
    assert told["code"] == "artifact_delivery_failed"
    return told["status"], told["attempted"], told["delivered"], told["failed"]


async def test_any_extension_is_delivered(caller: Caller) -> None:
    """K21: there is no list of allowed extensions; none at all and a hidden file are fine too."""
    files = ["a.exe", "a.sh", "a.html", "a.svg", "a.unheardof", "Makefile", ".hidden", "a.tar.gz", "a."]
    answer = await caller.exec(f"touch {' '.join(files)}", "bash")
    assert names(answer) == sorted(files)
    assert "artifact_delivery" not in answer


async def test_caches_and_environments_are_skipped(caller: Caller) -> None:
    """K21: hidden directories, node_modules, __pycache__ and virtual environments, at any depth."""
    code = """
for d in .git .cache/x node_modules/pkg __pycache__ sub/node_modules sub/.ipynb_checkpoints; do
    mkdir -p $d; touch $d/file
done
python3 -m venv --without-pip env
echo kept > sub/kept.txt
"""
    answer = await caller.exec(code, "bash")
    assert (names(answer), answer["stderr"]) == (["sub/kept.txt"], "")


async def test_links_pipes_and_sockets_are_never_followed(caller: Caller) -> None:
    """K21: symlinks, FIFOs and sockets are skipped; files without read permission are still delivered."""
    answer = await caller.exec(HOSTILE)
    assert answer["stderr"] == ""
    assert names(answer) == ["closed/in.txt", "fine.txt", "hard-link.txt", "locked.txt"]
    contents = {name: await caller.output(answer, name) for name in names(answer)}
    assert contents["locked.txt"] == b"locked"
    assert not any(b"root:" in content for content in contents.values())


async def test_leftovers_do_not_disturb_the_next_run(caller: Caller) -> None:
    """K21: in the same session, an input replaces a link: the file is there, the link's target is unchanged."""
    first = await caller.exec(HOSTILE)
    ref = {**await caller.upload_one("x", b"new"), "name": "harmless-link.txt"}
    ran = await caller.exec("cat harmless-link.txt fine.txt", "bash", session_id=first["session_id"], files=[ref])
    assert (ran["stdout"], ran["stderr"]) == ("newfine", "")


async def test_names_that_cannot_be_delivered_are_told(caller: Caller) -> None:
    """K11, K21: control characters, bytes that are no UTF-8, paths too deep: each is on stderr and counted."""
    answer = await caller.exec(MISNAMED)
    assert names(answer) == ["fine.txt"]
    told = [line for line in answer["stderr"].splitlines() if "was not delivered" in line]
    for hint in ("line.txt", "not-utf8-", "back\\slash.txt", "deepdeep", "bottomless"):
        assert any(hint in line for line in told), (hint, answer["stderr"])
    status, attempted, delivered, failed = shortfall(answer)
    assert (status, delivered, attempted) == ("partial", 1, 1 + failed)
    assert failed >= 5


async def test_by_default_fifty_files_of_a_run_are_delivered(caller: Caller) -> None:
    """K21: the first fifty; each of the others is named on stderr, and all are counted."""
    answer = await caller.exec("for i in $(seq -w 1 53); do echo $i > file$i.txt; done", "bash")
    assert len(answer["files"]) == 50
    assert shortfall(answer) == ("partial", 53, 50, 3)
    missing = {f"file{number:02}.txt" for number in range(1, 54)} - set(names(answer))
    assert all(name in answer["stderr"] for name in missing)


async def test_by_default_a_hundred_mebibytes_are_the_limit_of_a_file(caller: Caller) -> None:
    """K21: one byte more is named on stderr; the other file is still delivered."""
    code = f"truncate -s {100 * MiB + 1} big.bin; truncate -s {30 * MiB} less.bin"
    answer = await caller.exec(code, "bash")
    assert names(answer) == ["less.bin"]
    assert shortfall(answer) == ("partial", 2, 1, 1)
    assert answer["stderr"].startswith("[sandbox] ") and "big.bin" in answer["stderr"]


async def test_the_limits_are_settings(serve: Serve) -> None:
    """K21: ARTIFACT_MAX_FILES and ARTIFACT_MAX_BYTES; when nothing could be delivered the status is ``failed``."""
    async with serve(artifact_max_files=2, artifact_max_bytes=10) as service:
        caller = service.caller()
        some = await caller.exec("for i in 1 2 3; do echo $i > $i.txt; done; echo 1234567890 > big", "bash")
        none = await caller.exec("echo 1234567890 > big", "bash")
        fits = await caller.exec("echo 123456789 > fits", "bash")
    assert shortfall(some) == ("partial", 4, 2, 2)
    assert (shortfall(none), none["files"]) == (("failed", 1, 0, 1), [])
    assert (names(fits), fits["stderr"]) == (["fits"], "")


async def test_what_was_not_delivered_is_no_version_of_the_stored_file(serve: Serve) -> None:
    """K20, K21: an input that grew beyond the limit keeps its stored bytes, and the next run gets those."""
    async with serve(artifact_max_bytes=10) as service:
        caller = service.caller()
        ref = await caller.upload_one("data.txt", b"stored")
        first = await caller.exec("echo 1234567890 >> data.txt", "bash", files=[ref])
        second = await caller.exec("cat data.txt", "bash", files=[ref], session_id=first["session_id"])
    assert first["files"] == [] and "data.txt" in first["stderr"]
    assert second["stdout"] == "stored"
