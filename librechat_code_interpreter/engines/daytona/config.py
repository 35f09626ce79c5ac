"""Settings of the Daytona engine. The service's settings inherit them, so this module imports no part of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from librechat_code_interpreter.setting_fields import Word, section

Network = Literal["inherit", "block", "allow", "allow-list"]

_daytona = section("Daytona")


class DaytonaSettings(BaseModel):
    """Settings of the Daytona engine and the rules between them."""

    model_config = ConfigDict(frozen=True)

    daytona_api_key: SecretStr | None = _daytona(None, "Key of the Daytona account.")
    daytona_api_url: str | None = _daytona(
        None, "Address of Daytona's API; unset, the one its SDK knows.", pattern=r"^https?://\S+$"
    )
    daytona_target: str | None = _daytona(None, "Region of new sandboxes; unset, the account's default.")
    daytona_snapshot: str | None = _daytona(
        None,
        "Snapshot of new sandboxes; it needs `python3` 3.11 or newer. `python -m app snapshot build` makes the"
        " recommended one, which saves a round trip and the copy of the runner for each new sandbox."
        " Unset, the account's default, without the data stack.",
    )
    daytona_image: str | None = _daytona(
        None,
        "Container image of new sandboxes, instead of a snapshot. Costs a build of minutes whenever Daytona has not"
        " kept it, and Daytona's own warm pool does not serve images.",
    )
    daytona_network: Annotated[Network, Word] = _daytona(
        "inherit",
        "Network of programs: `inherit` what the account has (the lowest tiers refuse anything else), `block` all,"
        " `allow` all, or only `DAYTONA_NETWORK_ALLOW_LIST`. With any network a program can send data out.",
    )
    daytona_network_allow_list: str | None = _daytona(
        None,
        "Networks in CIDR notation, with commas, for `DAYTONA_NETWORK=allow-list`.",
        pattern=r"^[0-9a-fA-F.:/]+(\s*,\s*[0-9a-fA-F.:/]+)*$",
    )
    daytona_cpu: int | None = _daytona(
        None,
        "Cores of a sandbox, with `DAYTONA_IMAGE` and for `snapshot build`; counts against the quota.",
        "cores",
        ge=1,
    )
    daytona_memory_gib: int | None = _daytona(
        None, "Memory of a sandbox, likewise; it bounds a run's memory too.", "GiB", ge=1
    )
    daytona_disk_gib: int | None = _daytona(None, "Disk of a sandbox, likewise.", "GiB", ge=1)
    daytona_auto_stop_minutes: int = _daytona(
        60,
        "Idle time after which Daytona itself stops, and so deletes, a sandbox, even if the service is dead."
        " A shorter time costs less after a crash; it has to be longer than the longest run and tool call,"
        " and should be longer than `SESSION_TTL_SECONDS`. 0: never.",
        "minutes",
        ge=0,
    )
    daytona_ttl_minutes: int = _daytona(
        720,
        "Age at which Daytona deletes a sandbox whatever it does; the session's next run gets a new one, with its files"
        " staged again. 0: never.",
        "minutes",
        ge=0,
    )
    daytona_warm_sandboxes: int = _daytona(
        0,
        "Spare sandboxes that are kept running, beyond `MAX_SANDBOXES`: a new session does not wait for one to start."
        " Replicas that share `REDIS_URL` share this number. Each costs what a running sandbox costs, day and"
        " night.",
        "sandboxes",
        ge=0,
        le=100,
    )
    daytona_max_connections: int = _daytona(
        250, "Connections to Daytona at one time; each run holds one until it ends.", "connections", ge=1
    )

    @model_validator(mode="after")
    def _check_daytona_rules(self) -> Self:
        if self.daytona_snapshot is not None and self.daytona_image is not None:
            raise ValueError("DAYTONA_IMAGE: not together with DAYTONA_SNAPSHOT")
        if (self.daytona_network == "allow-list") != (self.daytona_network_allow_list is not None):
            raise ValueError("DAYTONA_NETWORK_ALLOW_LIST: goes with DAYTONA_NETWORK=allow-list, and that with it")
        return self


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the replicas of one deployment have in common, beside the settings of the engine."""

    name: str = "librechat-code"
    """Label of the deployment's sandboxes: several deployments may share one account."""

    has_shared_leases: bool = False
    """Whether the leases include other replicas' sandboxes; if not, a sweep leaves those sandboxes alone."""

    longest_run_seconds: float = 300.0
    """Maximum computing time of one run."""
