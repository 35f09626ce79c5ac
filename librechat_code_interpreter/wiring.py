"""The object graph of the service, built from the settings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from obstore.exceptions import BaseError

from librechat_code_interpreter import capacity
from librechat_code_interpreter.core.admission import Admission
from librechat_code_interpreter.core.cleanup import Cleanup
from librechat_code_interpreter.core.continuation_tokens import ContinuationTokens
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.files import Files
from librechat_code_interpreter.core.protocols import Engine, EngineUnfit, Leases, SharedPool
from librechat_code_interpreter.core.rate_limits import Rates
from librechat_code_interpreter.core.readiness import Prober
from librechat_code_interpreter.core.run_completion import RunCompletion
from librechat_code_interpreter.core.run_service import RunPolicy, RunService
from librechat_code_interpreter.core.sandbox_leases import PAUSE_SECONDS, SandboxLeases
from librechat_code_interpreter.core.session_selection import SessionSelector
from librechat_code_interpreter.core.slots import ProcessorMeter, RunSlots, SlotLimits
from librechat_code_interpreter.core.tool_pauses import ToolPauses
from librechat_code_interpreter.core.toolchains import Toolchains
from librechat_code_interpreter.engines.daytona.config import Deployment
from librechat_code_interpreter.leases.memory import MemoryLeases
from librechat_code_interpreter.leases.memory_pool import MemoryPool
from librechat_code_interpreter.runner.messages import Limits
from librechat_code_interpreter.settings import DAY_SECONDS, Settings, SettingsError
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore
from librechat_code_interpreter.stores.timed import TimedFiles

_RESERVED_SHARE = 8
"""One slot in eight is reserved for callers without a run; with fewer than eight slots, none is."""


@dataclass(slots=True)
class Parts:
    """Components of the service."""

    events: Events
    engine: Engine
    leases: Leases
    store: SessionStore
    files: Files
    runs: RunService
    paused_runs: ToolPauses
    sandboxes: SandboxLeases
    cleanup: Cleanup
    prober: Prober
    toolchains: Toolchains


def assemble(settings: Settings, engine: Engine | None = None) -> Parts:
    """Build the components from the settings; tests may pass an engine. Opens no connection."""
    events = Events()
    leases, stock = make_leases(settings)
    engine = engine or make_engine(settings, stock, events)
    store = make_store(settings)
    files = TimedFiles(store, events)
    sandboxes = SandboxLeases(engine, leases, settings.max_sandboxes)
    binds = settings.session_language_policy == "bound"
    chooser = SessionSelector(files, leases, binds_language=binds)
    max_present = settings.concurrent_runs + settings.max_queued_runs
    admission = Admission(make_slots(settings, engine), max_present, settings.queue_timeout_seconds)
    tokens = ContinuationTokens(_shared_secret(settings), PAUSE_SECONDS)
    completion = RunCompletion(files, sandboxes, leases)
    max_paused = settings.max_paused_runs
    paused_runs = ToolPauses(files, sandboxes, leases, admission, tokens, max_paused, completion, events)
    policy, rates = _policy(settings), make_rates(settings, leases)
    runs = RunService(files, sandboxes, chooser, admission, policy, paused_runs, completion, events, rates)
    return Parts(
        events=events,
        engine=engine,
        leases=leases,
        store=store,
        files=Files(files, settings.upload_max_bytes),
        runs=runs,
        paused_runs=paused_runs,
        sandboxes=sandboxes,
        cleanup=Cleanup(
            sandboxes, leases, files, store,
            interval_seconds=settings.cleanup_interval_seconds,
            session_ttl_seconds=settings.session_ttl_seconds,
            file_ttl_seconds=settings.file_ttl_seconds,
        ),
        prober=Prober(engine, store, stock),
        toolchains=Toolchains(engine),
    )  # fmt: skip


def make_slots(settings: Settings, engine: Engine) -> RunSlots:
    """Return the run slots; only the local engine also checks the available memory."""
    limits = SlotLimits(settings.concurrent_runs, settings.computing_runs, settings.concurrent_runs // _RESERVED_SHARE)
    meter = engine if isinstance(engine, ProcessorMeter) else None
    if settings.engine == "daytona":
        return RunSlots(limits, meter)
    return RunSlots(limits, meter, lambda: capacity.available_memory() >= settings.sandbox_memory_bytes)


def _shared_secret(settings: Settings) -> str | None:
    """Return a secret that all replicas have and no client has; local runs end with their process anyway."""
    key = settings.daytona_api_key
    return key.get_secret_value() if settings.engine == "daytona" and key is not None else None


def make_store(settings: Settings) -> SessionStore:
    """Create the file store; opens no connection. Raises ``SettingsError``."""
    try:
        return SessionStore(open_blobs(settings.file_store_url))
    except (BaseError, OSError) as error:
        reason = type(error).__name__  # its text could quote a credential
        raise SettingsError(f"FILE_STORE_URL: cannot be opened ({reason}), see docs/operations.md") from None


def make_leases(settings: Settings) -> tuple[Leases, SharedPool]:
    """Create leases and pool, in Redis if configured, else in memory; connects later. Raises ``SettingsError``."""
    if settings.redis_url is None:
        return MemoryLeases(), MemoryPool()
    from librechat_code_interpreter.leases.redis import RedisLeases

    try:
        leases = RedisLeases(
            settings.redis_url,
            prefix=settings.redis_prefix,
            lease_seconds=settings.session_ttl_seconds + settings.run_timeout_max_seconds + DAY_SECONDS,
            hint_seconds=settings.file_ttl_seconds or 30 * DAY_SECONDS,
        )
    except ValueError:
        raise SettingsError("REDIS_URL: cannot be understood") from None  # the reason could quote a password
    return leases, leases.stock()


def make_rates(settings: Settings, leases: Leases) -> Rates | None:
    """Create the rate limits in the same place as the leases; ``None`` if no limit is set."""
    limits = settings.rate_limit_user_runs, settings.rate_limit_tenant_runs
    if not any(limits):
        return None
    from librechat_code_interpreter.leases.rates import in_memory
    from librechat_code_interpreter.leases.redis import RedisLeases

    return leases.rates(*limits) if isinstance(leases, RedisLeases) else in_memory(*limits)


def _policy(settings: Settings) -> RunPolicy:
    limits = Limits(
        stdout_bytes=settings.stdout_max_bytes,
        stderr_bytes=settings.stderr_max_bytes,
        artifact_bytes=settings.artifact_max_bytes,
        artifact_files=settings.artifact_max_files,
        pause_seconds=PAUSE_SECONDS,
    )
    return RunPolicy(settings.run_timeout_seconds, settings.run_timeout_max_seconds, limits)


def make_engine(settings: Settings, stock: SharedPool | None = None, events: Events | None = None) -> Engine:
    """Create the selected engine; the other is not even imported.

    Without a ``stock``, the engine serves one command only.
    """
    if settings.engine == "daytona":
        try:
            from librechat_code_interpreter.engines.daytona.engine import DaytonaEngine
        except ModuleNotFoundError as error:
            raise EngineUnfit(f"The Daytona engine needs the `daytona` package: {error}.") from error
        is_shared = stock is not None and settings.redis_url is not None
        deployment = Deployment(_deployment(settings.redis_url), is_shared, settings.run_timeout_max_seconds)
        if stock is None:
            settings = settings.model_copy(update={"daytona_warm_sandboxes": 0})
        return DaytonaEngine(settings, stock or MemoryPool(), events, deployment=deployment)
    from librechat_code_interpreter.engines.local.engine import LocalEngine

    return LocalEngine(settings, events)


def _deployment(redis_url: str | None) -> str:
    """Return a name shared by replicas with the same leases: several deployments may share one account."""
    if redis_url is None:
        return "librechat-code"
    where = redis_url.rpartition("@")[2]  # no password in a label, not even hashed
    return f"librechat-code-{hashlib.sha256(where.encode()).hexdigest()[:12]}"
