"""A service on each engine for the whole directory, and conversations in it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.conversations.conversation import Conversation
from tests.conversations.deployments import ENGINES, Deployment, deployed
from tests.conversations.librechat import Turn
from tests.conversations.programs import Program

LONG_SECONDS = 25
LONG = f"""
import time
print("started", flush=True)
rows = open("/mnt/data/rows.txt").read().split()
for _ in range({LONG_SECONDS}):
    time.sleep(1)
with open("/mnt/data/sum.txt", "w") as file:
    file.write(str(sum(map(int, rows))))
print("finished")
"""


@pytest.fixture(scope="session", params=ENGINES)
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Run the service, on one engine after the other."""
    with deployed(request.param, tmp_path_factory.mktemp(f"on-{request.param}")) as deployment:
        yield deployment


@pytest.fixture
def conversation(deployment: Deployment) -> Iterator[Conversation]:
    """A new conversation."""
    with closing(Conversation(deployment)) as conversation:
        yield conversation


@pytest.fixture(scope="session")
def long_job(deployment: Deployment) -> Iterator[Future[list[Turn]]]:
    """Start a program that sleeps for 25 s, which runs while the other conversations take place."""
    with closing(Conversation(deployment)) as conversation, ThreadPoolExecutor(1) as thread:
        conversation.attach("rows.txt", "1\n2\n39\n")
        yield thread.submit(conversation.play_turn, Program("py", LONG))
