"""A conversation that goes on the next day, 23.5 hours later by everybody's clock."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.conversations.conversation import Conversation
from tests.conversations.deployments import ENGINES, deployed
from tests.conversations.programs import Program

NIGHT_SECONDS = 84600
UPLOAD_MAX_BYTES = 65536
GENERATED_BYTES = 4 * UPLOAD_MAX_BYTES
SETTINGS = {
    "UPLOAD_MAX_BYTES": str(UPLOAD_MAX_BYTES),
    "SESSION_TTL_SECONDS": "1",
    "CLEANUP_INTERVAL_SECONDS": "1",
    "METRICS_ACCESS": "open",
    "SANDBOX_PRELOAD": "none",
    "SANDBOX_STANDBY": "1",
}
BEGIN = f"""
data = open("/mnt/data/table.csv").read()
open("/mnt/data/large.bin", "wb").write(b"0123456789abcdef" * {GENERATED_BYTES // 16})
open("/mnt/data/small.txt", "w").write(data.upper())
"""
LOOK = """
import os
names = sorted(os.listdir("/mnt/data"))
print({name: os.path.getsize(name) for name in names}, open("/mnt/data/small.txt").read().split())
"""
FOUND = f"{{'large.bin': {GENERATED_BYTES}, 'small.txt': 8, 'table.csv': 8}} ['A,B', '1,2']"


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """Run both engines' conversations at once: most of their time is waiting for a clock."""
    with ThreadPoolExecutor(len(ENGINES)) as threads:
        yield {engine: threads.submit(play_three_days, engine, tmp_path_factory.mktemp(engine)) for engine in ENGINES}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_conversation_goes_on_the_next_day(nights: dict[str, Future[None]], engine: str) -> None:
    """K12, K36: 23.5 and 47 h later all files are there, one over the upload limit too, and none was uploaded again."""
    nights[engine].result()


def play_three_days(engine: str, directory: Path) -> None:
    with (
        deployed(engine, directory, fakes_time=True, **SETTINGS) as deployment,
        closing(Conversation(deployment)) as conversation,
    ):
        conversation.attach("table.csv", "a,b\n1,2\n")
        for turn in conversation.play_turn(Program("py", BEGIN)):
            assert len(turn.outputs["large.bin"]) == GENERATED_BYTES
        for _ in range(2):
            deployment.wait_for_cleanup()
            deployment.advance_clock(NIGHT_SECONDS)
            for turn in conversation.play_turn(Program("py", LOOK)):
                assert (turn.uploads, turn.failed) == (0, [])
                assert turn.text == f"stdout:\n{FOUND}"
