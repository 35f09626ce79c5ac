"""compose.yaml and the override for LibreChat, as Docker Compose itself reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.tools import KNOWN, ROOT, composed, tool

OVERRIDE = ROOT / "deploy" / "librechat" / "docker-compose.override.yml"
# The parts of LibreChat's own file that the override touches, in the same form: lists, not maps.
LIBRECHAT = """
services:
  api:
    image: librechat
    depends_on: [mongodb]
    environment: [HOST=0.0.0.0, "MONGO_URI=mongodb://mongodb:27017/LibreChat"]
  mongodb:
    image: mongo
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Lay out what Compose needs of the tree, with a `.env` of its own."""
    for name in ("compose.yaml", "Dockerfile", "deploy"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".env").write_text("ADAPTER_API_KEY=the-key\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "services"),
    [
        ((), {"adapter"}),
        (("--profile", "redis"), {"adapter", "redis"}),
        (("--profile", "replicas"), {"adapter", "redis", "replica", "s3", "proxy"}),
    ],
    ids=["alone", "redis", "replicas"],
)
def test_the_commands_of_the_readme_start_what_they_say(
    arguments: tuple[str, ...], services: set[str], project: Path
) -> None:
    """Each profile has its services; without one there is the service alone."""
    assert set(composed(project, *arguments)["services"]) == services


def test_every_variable_is_a_setting(project: Path) -> None:
    """Every variable that is set is read by something."""
    services = composed(project, "--profile", "replicas")["services"]
    ours = {name: set(services[name]["environment"]) for name in ("adapter", "replica", "s3")}
    assert ours["adapter"] | ours["replica"] | ours["s3"] <= KNOWN
    assert {"REDIS_URL", "FILE_STORE_URL"} <= ours["replica"]


def test_a_port_of_the_env_file_moves_what_is_published_alone(project: Path) -> None:
    """`PORT` in `.env` changes the port on the machine; in the container the service and its health check agree."""
    (project / ".env").write_text("ADAPTER_API_KEY=the-key\nPORT=9000\n")
    adapter = composed(project)["services"]["adapter"]
    assert adapter["ports"][0] | {"published": "9000", "target": 8000} == adapter["ports"][0]
    assert adapter["environment"]["PORT"] == "8000"


def test_replicas_share_what_they_have_to_share(project: Path) -> None:
    """Two replicas get Redis and the bucket that the S3 server makes, with the key it knows; they wait for both."""
    services = composed(project, "--profile", "replicas")["services"]
    replica, s3 = services["replica"], services["s3"]
    assert replica["deploy"]["replicas"] == 2
    assert replica["environment"]["FILE_STORE_URL"].startswith("s3://adapter/")
    assert "-bucket=adapter" in s3["command"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert replica["environment"][name] == s3["environment"][name] != ""
    assert {name: how["condition"] for name, how in replica["depends_on"].items()} == dict.fromkeys(
        ("redis", "s3"), "service_healthy"
    )


def test_replicas_have_no_privileges(project: Path) -> None:
    """Services that run no programs get no capability, no new privileges and no writable image."""
    replica = composed(project, "--profile", "replicas")["services"]["replica"]
    assert (replica["cap_drop"], replica["read_only"]) == (["ALL"], True)
    assert replica["security_opt"] == ["no-new-privileges:true"]
    assert replica["build"]["target"] == "daytona"


def test_no_service_is_privileged(project: Path) -> None:
    """No service gets privileges, dangerous capabilities, devices or Docker's socket."""
    for name, service in composed(project, "--profile", "replicas")["services"].items():
        forbidden = {"privileged", "cap_add", "devices", "pid", "network_mode"} & set(service)
        assert not forbidden, name
        assert not [volume for volume in service.get("volumes", []) if "docker.sock" in volume["source"]]


def test_images_of_others_are_pinned(project: Path) -> None:
    """Every image has a fixed version."""
    services = composed(project, "--profile", "replicas")["services"]
    others = [service["image"] for service in services.values() if "build" not in service]
    assert len(others) == 3
    assert all(tag and tag != "latest" for _, _, tag in (image.partition(":") for image in others))


def librechat(directory: Path, **env: str) -> dict[str, Any]:
    """Merge the override into LibreChat's file, in a directory as LibreChat's operator has it."""
    (directory / "docker-compose.yml").write_text(LIBRECHAT)
    (directory / OVERRIDE.name).write_text(OVERRIDE.read_text())
    services: dict[str, Any] = composed(directory, **env)["services"]
    return services


def test_the_override_points_librechat_at_the_service(tmp_path: Path) -> None:
    """Beside LibreChat's file it adds the service and its address, and keeps the rest."""
    services = librechat(tmp_path, ADAPTER_API_KEY="the-key")
    api, ours = services["api"], services["code-interpreter"]
    assert api["environment"]["LIBRECHAT_CODE_BASEURL"] == "http://x:the-key@code-interpreter:8000/v1"
    assert api["environment"]["HOST"] == "0.0.0.0"
    assert set(api["depends_on"]) == {"mongodb", "code-interpreter"}
    assert ours["environment"]["ADAPTER_API_KEY"] == "the-key"
    assert set(ours["environment"]) <= KNOWN
    assert set(api["networks"]) & set(ours["networks"])


def test_the_override_does_not_start_without_a_key(tmp_path: Path) -> None:
    """Without `ADAPTER_API_KEY` Compose says what to add, instead of starting an unusable service."""
    (tmp_path / OVERRIDE.name).write_text(OVERRIDE.read_text())
    done = tool("docker-compose", "-f", OVERRIDE.name, "config", cwd=tmp_path)
    assert done.returncode != 0
    assert "ADAPTER_API_KEY" in done.stderr and "add it to .env" in done.stderr
