"""A store that is full, read-only, slow, or fails in the middle of a stream."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.faults.count import Count
from tests.faults.holdings import stored
from tests.faults.ledger import LARGE
from tests.faults.scene import Scene, scene
from tests.stores.line import Line, line_to
from tests.stores.moto_server import BUCKET, MotoServer, environment

_DISK_BYTES = 48 << 20


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Mount a file system of a few mebibytes."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "of-these-tests", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True)


async def full(directory: Path, times: int) -> Count:
    """Uploads and runs on a full disk store nothing, and report it; after one deletion they work."""
    with small_disk(directory / "disk") as disk:
        async with scene("store full", directory / "service", FILE_STORE_URL=str(disk / "store")) as found:
            for _ in range(times):
                fillers = []
                while (answer := await found.ledger.upload(found.client, LARGE)).status_code == httpx.codes.OK:
                    fillers.append(answer)
                found.expect(answer, 503)
                ran = await found.client.post("/exec", json={"lang": "bash", "code": f"head -c {LARGE} /dev/zero > z"})
                found.expect(ran, 200)
                if "z was not delivered" not in ran.json()["stderr"]:
                    found.count.left.append("a lost file is not told")
                found.count.times += 1
                for filler in fillers:
                    body = filler.json()
                    place = (body["session_id"], body["files"][0]["id"])
                    found.expect(await found.ledger.delete(found.client, place), 200)
            found.count.left += [name for name in stored(disk / "store") if "#" in name]
        return found.count


async def read_only(directory: Path, times: int) -> Count:
    """Reads work; writes are refused; programs still run."""
    with small_disk(directory / "disk") as disk:
        async with scene("store read-only", directory / "service", FILE_STORE_URL=str(disk / "store")) as found:
            for _ in range(times):
                _remount(disk, "ro")
                await found.refuses(1000)
                await found.refuses(LARGE)
                await found.ledger.look(found.client, found.count)
                ran = await found.client.post("/exec", json={"lang": "bash", "code": "echo 4; echo a > a"})
                found.expect(ran, 200)
                place = next(iter(found.ledger.files))
                found.expect(await found.client.delete("/files/{}/{}".format(*place)), 503)
                found.count.times += 1
                _remount(disk, "rw")
        return found.count


@contextmanager
def _bucket(directory: Path) -> Iterator[MotoServer]:
    directory.mkdir(parents=True)
    moto = MotoServer(directory)
    moto.start()
    try:
        yield moto
    finally:
        moto.kill()


async def slow(directory: Path, times: int) -> Count:
    """A bucket that hangs for a while delays requests, and fails none."""
    with _bucket(directory / "moto") as moto:
        settings = environment(moto.port) | {"FILE_STORE_URL": f"s3://{BUCKET}/slow"}
        async with scene("store slow", directory / "service", **settings) as found:
            for _ in range(times):
                moto.pause()
                working = asyncio.gather(
                    found.ledger.upload(found.client, 1000, LARGE), found.ledger.run(found.client, 1000)
                )
                await asyncio.sleep(0.5)
                moto.resume()
                for answer in await working:
                    found.expect(answer, 200)
                found.count.times += 1
        return found.count


async def failing(directory: Path, times: int) -> Count:
    """Connections to the bucket break in the middle: what is answered with 200 is stored, all else is an error."""
    with _bucket(directory / "moto") as moto:
        async with line_to(moto.port) as line:
            settings = environment(line.port) | {"FILE_STORE_URL": f"s3://{BUCKET}/failing"}
            async with scene("store failing mid-stream", directory / "service", **settings) as found:
                for number in range(times):
                    with _breaking(line, 700 * (number % 5 + 1)):
                        answers = [
                            await found.ledger.upload(found.client, 1000, LARGE),
                            await found.ledger.run(found.client, 1000, LARGE),
                        ]
                        for answer in answers:
                            found.expect(answer, 200, 503)
                        await _download_whole_or_not(found)
                    found.count.times += 1
            return found.count


async def _download_whole_or_not(found: Scene) -> None:
    """A download from a failing store ends with an error, or is complete; never shorter than announced."""
    session_id, file_id = next(iter(found.ledger.files))
    try:
        found.expect(await found.client.get(f"/download/{session_id}/{file_id}"), 200, 503)
    except httpx.RemoteProtocolError:
        return  # it was cut short, and the client knows


@contextmanager
def _breaking(line: Line, after_bytes: int) -> Iterator[None]:
    """Limit each connection to this many bytes."""
    line.cut_after_bytes = after_bytes
    try:
        yield
    finally:
        line.cut_after_bytes = None
