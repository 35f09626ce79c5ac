"""Three replicas, Redis, a bucket and Daytona are one service: no sticky sessions, and no failure loses a file.

``REPLICA_TEST_CONVERSATIONS`` says how many conversations of five turns; ``make test-replicas`` holds 200.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
import pytest_asyncio

from tests.replicas.client import Client
from tests.replicas.conversation import TURNS, Conversation, Fate, Memory, hold_all
from tests.replicas.deployment import API_KEY, Deployment
from tests.replicas.proxy import Balancer, balancing
from tests.replicas.times import EMPTY_WITHIN_SECONDS, GIVE_UP_SECONDS, PAUSED_SECONDS

CONVERSATIONS = int(os.environ.get("REPLICA_TEST_CONVERSATIONS", "16"))
AT_ONCE = 8
DOWNLOADS_AT_ONCE = 8
REDIS_AWAY_SECONDS = 1.0
BUCKET_HANGS_SECONDS = 2.0
READY_SECONDS = 120.0
PATIENCE_SECONDS = 3600


@dataclass
class Story:
    """The events, for the checks."""

    deployment: Deployment
    balancer: Balancer
    client: Client
    memory: Memory = field(default_factory=Memory)
    seconds: float = 0.0
    events: list[str] = field(default_factory=list)

    def is_after(self, turns: float) -> bool:
        """Return whether this many turns were answered."""
        return self.memory.turns >= turns

    def note(self, event: str) -> None:
        """Record an event, and after how many turns it was."""
        self.events.append(f"after {self.memory.turns} turns: {event}")


async def until(happened: Callable[[], bool], seconds: float) -> None:
    """Return when a condition is true. Raises ``TimeoutError``."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110  it happens in other processes
            await asyncio.sleep(0.01)


async def kill_a_replica(story: Story) -> None:
    """Kill a replica while it works."""
    backend, replica = story.balancer.backends[0], story.deployment.replicas[0]
    await until(lambda: backend.open > 0, READY_SECONDS)
    story.note(f"a replica with {backend.open} open connections is killed")
    replica.kill()


async def restart_redis(story: Story) -> None:
    """Kill Redis, and start it a moment later, empty."""
    story.note("Redis is killed")
    story.deployment.redis.kill()
    await asyncio.sleep(REDIS_AWAY_SECONDS)
    await asyncio.to_thread(story.deployment.redis.start)
    story.note("Redis is back, and has lost everything")


async def start_the_replica_again(story: Story) -> None:
    """Restart a replica as an orchestrator does."""
    replica = story.deployment.replicas[0]
    replica.start()
    await until(replica.is_ready, READY_SECONDS)
    story.note("the killed replica is back")


async def let_the_bucket_hang(story: Story) -> None:
    """Delay its answers."""
    story.note("the bucket hangs")
    story.deployment.moto.pause()
    await asyncio.sleep(BUCKET_HANGS_SECONDS)
    story.deployment.moto.resume()


async def let_a_replica_hang(story: Story) -> None:
    """Suspend a busy replica until others have taken its sessions over; then resume it."""
    backend, replica = story.balancer.backends[1], story.deployment.replicas[1]
    await until(lambda: backend.open > 0, READY_SECONDS)
    story.note(f"a replica with {backend.open} open connections hangs")
    replica.pause()
    await asyncio.sleep(GIVE_UP_SECONDS)
    story.balancer.leave(backend)
    await asyncio.sleep(PAUSED_SECONDS - GIVE_UP_SECONDS)
    replica.resume()
    story.note("the replica that hung goes on")


EVENTS = (
    (0.2, kill_a_replica),
    (0.35, restart_redis),
    (0.45, start_the_replica_again),
    (0.5, let_the_bucket_hang),
    (0.6, let_a_replica_hang),
)
"""What goes wrong in the middle, and after which part of all turns."""


async def disturb(story: Story) -> None:
    """Inject failures, one after the other."""
    async with asyncio.TaskGroup() as group:
        for part, event in EVENTS:
            await until(partial(story.is_after, part * CONVERSATIONS * TURNS), PATIENCE_SECONDS)
            group.create_task(event(story))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    """Run all conversations while a replica is killed, Redis restarted, and others hang."""
    deployment = Deployment(tmp_path_factory.mktemp("replicas"), replicas=3)
    with deployment.living():
        async with balancing([replica.port for replica in deployment.replicas]) as (balancer, address):
            client = Client(address, API_KEY)
            story = Story(deployment, balancer, client)
            conversations = [Conversation(number, client, story.memory) for number in range(CONVERSATIONS)]
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                group.create_task(hold_all(conversations, AT_ONCE))
                group.create_task(disturb(story))
            story.seconds = time.monotonic() - began
            yield story
            await client.close()
            report(story)


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_conversation_came_to_its_end(story: Story) -> None:
    """Every conversation completes despite the failures; and every replica had its part."""
    assert story.memory.turns == CONVERSATIONS * TURNS
    assert len(story.events) == 7
    assert all(backend.served > 0 for backend in story.balancer.backends)


async def test_every_acknowledged_file_is_there(story: Story) -> None:
    """Uploads and outputs are readable, byte for byte, on every replica."""
    turn = asyncio.Semaphore(DOWNLOADS_AT_ONCE)

    async def is_there(session_id: str, file_id: str, data: bytes) -> bool:
        async with turn:
            answer = await story.client.ask("final download", "GET", f"/download/{session_id}/{file_id}")
            return answer.content == data

    files = [is_there(*place, data) for place, data in story.memory.files.items()]
    assert len(files) >= CONVERSATIONS * (2 + 2 * TURNS)
    assert all(await asyncio.gather(*files))


async def test_no_program_ran_twice(story: Story) -> None:
    """An answered run ran once, a refused one did not, an unanswered one ran once at most."""
    ran = Counter(story.deployment.marks.read_text().split())
    assert ran.keys() <= story.memory.fates.keys()
    allowed = {Fate.ANSWERED: {1}, Fate.REFUSED: {0}, Fate.UNKNOWN: {0, 1}}
    wrong = {mark: (fate, ran[mark]) for mark, fate in story.memory.fates.items() if ran[mark] not in allowed[fate]}
    assert wrong == {}


async def test_files_need_no_redis(story: Story) -> None:
    """No upload and no download was refused: only connections to the killed replica broke."""
    refused = [what for what in story.client.tally.seen if "load 4" in what or "load 5" in what]
    assert refused == []


async def test_the_service_never_failed_unforeseen(story: Story) -> None:
    """No traceback in any log."""
    for replica in story.deployment.replicas:
        assert "Traceback" not in replica.log.read_text(), replica.log


async def test_no_sandbox_is_left_when_the_idle_time_is_over(story: Story) -> None:
    """Neither the dead replica's sandboxes nor those whose leases Redis lost remain."""
    story.note(f"{len(story.deployment.cloud.sandboxes())} sandboxes are there")
    began = time.monotonic()
    await until(lambda: not story.deployment.cloud.sandboxes(), EMPTY_WITHIN_SECONDS)
    story.note(f"none is left {time.monotonic() - began:.0f} s later")


def report(story: Story) -> None:
    """Print the figures (``pytest -s`` shows them)."""
    fates = Counter(fate.name.lower() for fate in story.memory.fates.values())
    ran = Counter(story.deployment.marks.read_text().split())
    unknown = sum(ran[mark] for mark, fate in story.memory.fates.items() if fate is Fate.UNKNOWN)
    made = len([call for call in story.deployment.cloud.calls() if call == "POST /sandbox"])
    print(f"\n{CONVERSATIONS} conversations of {TURNS} turns in {story.seconds:.0f} s, {AT_ONCE} at once")
    for event in story.events:
        print(" ", event)
    print("  programs:", dict(fates), "of the unknown ran:", unknown, "sandboxes made:", made)
    print("  answers:", dict(sorted(story.client.tally.seen.items())))
    print("  files:", len(story.memory.files), "bytes:", sum(map(len, story.memory.files.values())))
    print("  connections by replica:", [backend.served for backend in story.balancer.backends])
