"""LibreChat's edit_file reads with ``cat`` and writes back what it received: the whole file or nothing (K23)."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.core.cat_output import withhold_damaged_file
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Reply
from librechat_code_interpreter.settings import LEAST_STDOUT_BYTES
from tests.contract.caller import Caller
from tests.contract.conftest import Serve

WITHHELD = "an edit would replace the file by what is shown"


def is_a_failure(answer: dict[str, str]) -> bool:
    """Return whether LibreChat takes an answer for a failure: text on stderr and nothing on stdout."""
    return bool(answer["stderr"]) and not answer["stdout"]


@pytest.mark.parametrize(
    "code", ["cat '/mnt/data/big it'\\''s.txt'", 'cat "big it\'s.txt"', "cat -- /workspace/big\\ it\\'s.txt\n"]
)
async def test_a_file_over_the_cap_is_not_shown_in_part(serve: Serve, code: str) -> None:
    """K23: one byte over the cap of stdout: empty stdout, the reason on stderr, an unchanged status."""
    async with serve(stdout_max_bytes=LEAST_STDOUT_BYTES) as service:
        ref = await service.caller().upload_one("big it's.txt", b"x" * (LEAST_STDOUT_BYTES + 1))
        answer = await service.caller().exec(code, "bash", files=[ref])
    assert is_a_failure(answer)
    assert "[sandbox] stdout length exceeded" in answer["stderr"] and WITHHELD in answer["stderr"]
    assert (answer["status"], answer["message"]) == ("OL", "stdout length exceeded")


async def test_a_file_that_is_not_utf8_is_not_shown(caller: Caller) -> None:
    """K23: Latin-1 is not UTF-8; shown as U+FFFD, an edit would overwrite the character."""
    ref = await caller.upload_one("latin.txt", "Übersicht".encode("latin-1"))
    answer = await caller.exec("cat '/mnt/data/latin.txt'", "bash", files=[ref])
    assert is_a_failure(answer)
    assert "not UTF-8" in answer["stderr"] and WITHHELD in answer["stderr"]


async def test_an_endless_file_is_not_shown_in_part(caller: Caller) -> None:
    """K23: the same for the part of such a file that fits under the cap."""
    answer = await caller.exec("cat '/dev/zero'", "bash", timeout=20_000)
    assert is_a_failure(answer) and answer["status"] == "OL"


@pytest.mark.parametrize("ending", [ending for ending in Ending if ending not in (Ending.OK, Ending.OUTPUT)])
def test_a_read_that_ended_early_is_not_shown_in_part(ending: Ending) -> None:
    """K23: the same if ``cat`` was ended after a part of the file; its own earlier error is shown as it is."""
    cut = Reply(ending, stdout="a part of the file")
    assert WITHHELD in (withhold_damaged_file(cut) or "") and cut.stdout == ""
    assert withhold_damaged_file(Reply(ending, stderr="cat: no such file")) is None


@pytest.mark.parametrize("content", ["", "Übersicht\ufffd\0\r\n", "\ufeffwith a mark", "no newline"])
async def test_a_file_that_is_text_is_shown_as_it_is(caller: Caller, content: str) -> None:
    """K23: a file with U+FFFD itself, and an empty one, are returned without anything on stderr."""
    older = {**await caller.upload_one("other.txt", b"other"), "name": "text.txt/x"}
    ref = await caller.upload_one("text.txt", content.encode())
    answer = await caller.exec("cat '/mnt/data/text.txt'", "bash", files=[ref] if content else [older, ref])
    assert (answer["stdout"], answer["stderr"], answer["code"]) == (content, "", 0)


@pytest.mark.parametrize(
    "code", [r"printf 'a\xff'", "cat latin.txt latin.txt", "cat latin.txt; true", "cat *.txt", "cat <latin.txt"]
)
async def test_other_programs_show_what_they_print(caller: Caller, code: str) -> None:
    """K19, K23: only the helper's own command counts as a read; everything else is shown, U+FFFD included."""
    ref = await caller.upload_one("latin.txt", b"a\xff")
    answer = await caller.exec(code, "bash", files=[ref])
    assert answer["stdout"].startswith("a\ufffd")
    assert answer["stderr"] == ""


async def test_a_missing_file_is_told_as_cat_tells_it(caller: Caller) -> None:
    """K15, K23: stderr says that there is no such file, and why a ref to it was not placed."""
    ref = {**await caller.upload_one("x.txt"), "name": "gone.txt", "id": "A" * 21}
    answer = await caller.exec("cat '/mnt/data/gone.txt'", "bash", files=[ref])
    assert is_a_failure(answer)
    assert "No such file" in answer["stderr"] and "was not found or has expired" in answer["stderr"]
