"""The emulator's knobs. All can be given on the command line and changed while it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, get_type_hints


@dataclass(slots=True)
class Settings:
    """Every knob with what Daytona was measured to do, or nothing in the way, as the default."""

    api_key: str = "emulator"
    """The key that clients must send."""

    latency_seconds: float = 0.0
    """Added to every call, as a network does."""

    warm_create_seconds: float = 0.0
    """How long a create takes that the warm pool can serve; 0 answers with a started sandbox."""

    cold_create_seconds: float = 0.0
    """How long a create takes with an image, custom env, volumes, secrets, resources or user."""

    start_seconds: float = 0.0
    stop_seconds: float = 0.0
    destroy_seconds: float = 0.0

    build_seconds: float = 0.0
    """How long a snapshot or an image takes to build."""

    run_build_lines: str = ""
    """Regular expression: which RUN lines of a Dockerfile are run, in every new sandbox made of it; empty is none."""

    minute_seconds: float = 60.0
    """What the emulator takes for a minute of auto-stop, auto-delete and TTL; tests shorten it."""

    stdin_bytes_per_second: int = 1_300_000
    """How fast a command reaches the shell."""

    shell: str = "/bin/sh"

    workspace: bool = True
    """Whether new sandboxes have `/workspace` and `/mnt/data`; a snapshot may lack them."""

    shared: str = ""
    """A directory of this machine that new sandboxes find at `/shared`, to leave traces in; empty is none."""

    page_size: int = 100
    """Sandboxes in a page of the list when the caller does not say."""

    max_sandboxes: int = 1000
    """Beyond it a create is the 400 of an exceeded quota."""

    allow_network_settings: bool = True
    """False answers a create with network settings with 400, as for accounts of the first tiers."""

    allow_delete_while_changing: bool = False
    """False answers a delete during another change of state with 409."""

    toolbox_url_in_replies: bool = True
    """False leaves the toolbox's address empty, so that the SDK asks for it with one more call."""

    stopped_status: int = 400
    """What a toolbox call to a sandbox that is not started gets."""

    gone_status: int = 401
    """What a toolbox call to a sandbox that does not exist gets."""

    old_daemon: bool = False
    """True: the toolbox's errors have no body."""

    events: bool = True
    """False refuses the SDK's event stream; it polls once a second then."""

    validate: bool = True
    """Check replies with the models of the SDK, where it is installed."""

    def change(self, wanted: dict[str, Any]) -> None:
        """Change some knobs, or none. Raises ``ValueError``."""
        kinds = get_type_hints(Settings)
        for name, value in wanted.items():
            if name not in kinds:
                raise ValueError(f"there is no setting {name}")
            accepted = (int, float) if kinds[name] is float else (kinds[name],)
            if not isinstance(value, accepted) or (isinstance(value, bool) and kinds[name] is not bool):
                raise ValueError(f"{name} must be {kinds[name].__name__}")
        for name, value in wanted.items():
            setattr(self, name, value)

    def shown(self) -> dict[str, Any]:
        """Return all knobs but the key."""
        return {name: value for name, value in asdict(self).items() if name != "api_key"}


def names() -> list[tuple[str, type]]:
    """Return each knob's name and type, for the command line."""
    kinds = get_type_hints(Settings)
    return [(field.name, kinds[field.name]) for field in fields(Settings)]
