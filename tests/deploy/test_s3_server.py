"""The S3 server of compose.yaml, the real one, in the version and with the arguments that stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from librechat_code_interpreter.core.errors import StoreUnavailable
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.deploy.servers import free_port, serving
from tests.deploy.tools import ROOT, composed, tool

# Each part of it listens, some twice; the tests of others may run beside these.
OTHER_PORTS = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "admin") for kind in ("", ".grpc")]
OTHER_PORTS += ["s3.port.grpc", "s3.port.iceberg", "s3.port.lance"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start it on the loopback; give the replicas' variables, with its address."""
    directory = tmp_path_factory.mktemp("s3")
    (directory / ".env").write_text("ADAPTER_API_KEY=k\n")
    services = composed(
        directory, "-f", ROOT / "compose.yaml", "--project-directory", directory, "--profile", "replicas"
    )
    s3, replica = services["services"]["s3"], services["services"]["replica"]
    port = free_port()
    command = [one.replace("-dir=/data", f"-dir={directory}") for one in s3["command"] if "-s3.port=" not in one]
    command += [f"-s3.port={port}"] + [f"-{part}={free_port()}" for part in OTHER_PORTS]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    address = f"http://127.0.0.1:{port}"
    env = {"HOME": str(directory), "PATH": "/usr/bin:/bin", **s3["environment"]}
    with serving(f"{address}/healthz", directory / "weed.log", "weed", *command, **env):
        yield {**replica["environment"], "AWS_ENDPOINT_URL": address}


def store(server: dict[str, str], monkeypatch: pytest.MonkeyPatch, **other: str) -> SessionStore:
    """Open the file store as a replica does, from its environment."""
    for name, value in (server | other).items():
        monkeypatch.setenv(name, value)
    return SessionStore(open_blobs(server["FILE_STORE_URL"]))


async def test_it_is_a_store_for_replicas(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket exists from the start, and conditional writes are honoured, so `/readyz` passes."""
    await store(server, monkeypatch).probe()


async def test_it_asks_for_the_key(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another key than the configured one is refused."""
    with pytest.raises(StoreUnavailable):
        await store(server, monkeypatch, AWS_SECRET_ACCESS_KEY="another").probe()


def test_the_image_is_of_the_version_that_is_tested(tmp_path: Path) -> None:
    """The tags in compose.yaml are those of the programs that these tests start."""
    text = (ROOT / "compose.yaml").read_text()
    tags = dict(re.findall(r"image: (?:\w+/)?(seaweedfs|caddy):([\d.]+)", text))
    assert f" {tags['seaweedfs']} " in tool("weed", "version", cwd=tmp_path).stdout
    assert tool("caddy", "version").stdout.startswith(f"v{tags['caddy']} ")
