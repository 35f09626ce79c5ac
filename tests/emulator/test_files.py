"""Files through the toolbox, in the SDK's own formats."""

from __future__ import annotations

import pytest
from daytona import AsyncSandbox, DaytonaError, FileDownloadRequest, FileUpload
from daytona.common.errors import DaytonaFileNotFoundError

from tests.emulator.emulator import Emulator

NAMES = ["/workspace/a.txt", "/workspace/new/deep/b", '/workspace/q"uo\\te', "/workspace/ünï 🎉.csv"]


async def test_many_files_go_up_and_come_down(sandbox: AsyncSandbox):
    """Every name and content survives a bulk upload and a bulk download; directories are made on the way."""
    contents = {name: bytes([number]) * 1000 * number for number, name in enumerate(NAMES)}
    await sandbox.fs.upload_files([FileUpload(content, name) for name, content in contents.items()])
    found = await sandbox.fs.download_files([FileDownloadRequest(name) for name in NAMES])
    assert {file.source: file.result for file in found} == contents


async def test_a_name_with_a_control_character_comes_down_only(sandbox: AsyncSandbox):
    """The SDK downloads a file whose name has a newline, and refuses to upload one."""
    await sandbox.process.exec("printf here > '/workspace/a\nb'", timeout=60)
    assert await sandbox.fs.download_file("/workspace/a\nb", 10) == b"here"
    with pytest.raises(DaytonaError, match="control character"):
        await sandbox.fs.upload_file(b"1", "/workspace/c\nd")


async def test_a_missing_file_does_not_spoil_the_others(sandbox: AsyncSandbox):
    """A bulk download tells each file's own error."""
    await sandbox.fs.upload_file(b"here", "/workspace/here")
    here, gone = await sandbox.fs.download_files(
        [FileDownloadRequest("/workspace/here"), FileDownloadRequest("/workspace/gone")]
    )
    assert here.result == b"here"
    assert gone.error_details is not None
    assert (gone.error_details.status_code, gone.error_details.code) == (404, "FILE_NOT_FOUND")
    with pytest.raises(DaytonaFileNotFoundError):
        await sandbox.fs.download_file("/workspace/gone", 10)


async def test_an_empty_file(sandbox: AsyncSandbox):
    """download_file gives an empty file; download_file_stream takes it for a missing one."""
    await sandbox.fs.upload_file(b"", "/workspace/empty")
    assert await sandbox.fs.download_file("/workspace/empty", 10) == b""
    with pytest.raises(DaytonaError, match="No file data"):
        _ = [chunk async for chunk in await sandbox.fs.download_file_stream("/workspace/empty", 10)]


async def test_a_large_file_streams(sandbox: AsyncSandbox):
    """5 MiB come through the stream in pieces, whole."""
    content = bytes(range(256)) * 20 * 1024
    await sandbox.fs.upload_file_stream(content, "/tmp/large", timeout=60)
    chunks = [chunk async for chunk in await sandbox.fs.download_file_stream("/tmp/large", 20)]
    assert len(chunks) > 1
    assert b"".join(chunks) == content


async def test_folders_descriptions_and_listings(sandbox: AsyncSandbox):
    """A folder has the mode asked for; descriptions have size, kind and path; a listing has the given depth."""
    await sandbox.fs.create_folder("/workspace/x/y", "700")
    await sandbox.fs.upload_file(b"12345", "/workspace/x/y/z")
    info = await sandbox.fs.get_file_info("/workspace/x/y/z")
    assert (info.name, info.size, info.is_dir, info.owner, info.permissions) == ("z", 5, False, "daytona", "0644")
    folder = await sandbox.fs.get_file_info("/workspace/x/y")
    assert (folder.is_dir, folder.permissions, folder.mode) == (True, "0700", "drwx------")
    assert [entry.path for entry in await sandbox.fs.list_files("/workspace/x")] == ["/workspace/x/y"]
    deep = await sandbox.fs.list_files("/workspace/x", depth=2)
    assert [entry.path for entry in deep] == ["/workspace/x/y", "/workspace/x/y/z"]


async def test_move_delete_and_permissions(sandbox: AsyncSandbox):
    """Files can be renamed, protected and removed; a directory only with ``recursive``."""
    await sandbox.fs.upload_file(b"1", "/workspace/d/a")
    await sandbox.fs.move_files("/workspace/d/a", "/workspace/d/b")
    await sandbox.fs.set_file_permissions("/workspace/d/b", mode="600")
    assert (await sandbox.fs.get_file_info("/workspace/d/b")).permissions == "0600"
    with pytest.raises(DaytonaError):
        await sandbox.fs.delete_file("/workspace/d")
    await sandbox.fs.delete_file("/workspace/d", recursive=True)
    with pytest.raises(DaytonaFileNotFoundError):
        await sandbox.fs.get_file_info("/workspace/d")


async def test_files_and_commands_see_the_same(sandbox: AsyncSandbox):
    """What is uploaded can be read by a command and the other way round; relative paths begin at home."""
    await sandbox.fs.upload_file(b"up", "note")
    assert (await sandbox.process.exec("cat /home/daytona/note; printf down > /mnt/data/n", timeout=60)).result == "up"
    assert await sandbox.fs.download_file("/mnt/data/n", 10) == b"down"


async def test_a_link_leads_nowhere_outside(sandbox: AsyncSandbox):
    """A link to a file of the host is followed inside the sandbox, where there is no such file."""
    await sandbox.process.exec("ln -s /etc/shadow /workspace/a; ln -s /proc/1/root/etc/shadow /workspace/b", timeout=60)
    for name in ("a", "b"):
        with pytest.raises(DaytonaError):
            await sandbox.fs.download_file(f"/workspace/{name}", 10)


async def test_a_pipe_is_refused_at_once(sandbox: AsyncSandbox):
    """A named pipe and a directory are errors, without a hang."""
    await sandbox.process.exec("mkfifo /workspace/p", timeout=60)
    for name in ("p", "."):
        with pytest.raises(DaytonaError):
            await sandbox.fs.download_file(f"/workspace/{name}", 10)


async def test_an_upload_that_fails_says_where(sandbox: AsyncSandbox):
    """A file that cannot be written is a 400 which names it."""
    with pytest.raises(DaytonaError, match="/proc/nope") as caught:
        await sandbox.fs.upload_files([FileUpload(b"1", "/workspace/fine"), FileUpload(b"2", "/proc/nope")])
    assert caught.value.status_code == 400


async def test_a_snapshot_may_lack_the_workspace(emulator: Emulator):
    """Without /workspace in the snapshot a command can make it, and /mnt/data as a link to it."""
    emulator.set(workspace=False)
    async with emulator.sdk() as sdk:
        sandbox = await sdk.create(timeout=60)
        with pytest.raises(DaytonaFileNotFoundError):
            await sandbox.fs.get_file_info("/workspace")
        await sandbox.process.exec("mkdir -p /workspace && ln -s /workspace /mnt/data", timeout=60)
        await sandbox.fs.upload_file(b"1", "/mnt/data/a")
        assert (await sandbox.fs.get_file_info("/workspace/a")).size == 1


async def test_an_old_daemon_says_nothing(sandbox: AsyncSandbox, emulator: Emulator):
    """Errors of an old daemon have a status and no body; the SDK gives the status."""
    emulator.set(old_daemon=True)
    with pytest.raises(DaytonaError) as caught:
        await sandbox.fs.get_file_info("/workspace/gone")
    assert (caught.value.status_code, caught.value.code) == (404, None)
