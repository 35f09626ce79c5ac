"""New everything up: settings in, the parts of the service out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.core.admission import Admission
from app.core.choose import SessionChooser
from app.core.files import Files
from app.core.keeper import Keeper
from app.core.ports import Engine, EngineUnfit, Leases
from app.core.readiness import Prober
from app.core.runs import RunPolicy, Runs
from app.core.sandboxes import Sandboxes
from app.leases.memory import MemoryLeases
from app.runner.messages import Limits
from app.settings import Settings
from app.stores.objects import ObjectFiles, open_store

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Parts:
    """Hold the service's parts."""

    engine: Engine
    leases: Leases
    store: ObjectFiles
    files: Files
    runs: Runs
    sandboxes: Sandboxes
    keeper: Keeper
    prober: Prober


def assemble(settings: Settings, engine: Engine | None = None) -> Parts:
    """Build the parts that the settings describe; an engine may be given, for tests. Opens no connection."""
    engine = engine or make_engine(settings)
    store = ObjectFiles(open_store(settings.file_store_url))
    leases = MemoryLeases()
    sandboxes = Sandboxes(engine, leases, settings.max_sandboxes)
    binds = settings.session_language_policy == "bound"
    chooser = SessionChooser(store, leases, wait_seconds=settings.queue_timeout_seconds, binds_language=binds)
    admission = Admission(settings.concurrent_runs, settings.max_queued_runs, settings.queue_timeout_seconds)
    return Parts(
        engine=engine,
        leases=leases,
        store=store,
        files=Files(store, settings.upload_max_bytes),
        runs=Runs(store, sandboxes, chooser, admission, _policy(settings)),
        sandboxes=sandboxes,
        keeper=Keeper(
            sandboxes, leases, store, store,
            interval_seconds=settings.cleanup_interval_seconds,
            session_ttl_seconds=settings.session_ttl_seconds,
            file_ttl_seconds=settings.file_ttl_seconds,
        ),
        prober=Prober(engine, store),
    )  # fmt: skip


def _policy(settings: Settings) -> RunPolicy:
    limits = Limits(
        stdout_bytes=settings.stdout_max_bytes,
        stderr_bytes=settings.stderr_max_bytes,
        artifact_bytes=settings.artifact_max_bytes,
        artifact_files=settings.artifact_max_files,
    )
    return RunPolicy(settings.run_timeout_seconds, settings.run_timeout_max_seconds, limits)


def make_engine(settings: Settings) -> Engine:
    """Choose the engine; the one that is not chosen is not even imported."""
    if settings.engine == "daytona":
        raise EngineUnfit("The Daytona engine is not part of this version. Set ADAPTER_ENGINE=local.")
    from app.engines.local.engine import LocalEngine
    from app.engines.local.recipe import LocalSettings

    return LocalEngine(
        LocalSettings(
            runtime=runtime_of(settings),
            uid=settings.sandbox_uid,
            preload=settings.preload,
            standby=settings.sandbox_standby,
            memory_bytes=settings.sandbox_memory_bytes,
            processes=settings.sandbox_processes,
            workspace_bytes=settings.sandbox_workspace_bytes,
            workspace_files=settings.sandbox_workspace_files,
            tmp_bytes=settings.sandbox_tmp_bytes,
            shm_bytes=settings.sandbox_shm_bytes,
            min_isolation=settings.sandbox_min_isolation,
        )
    )


def runtime_of(settings: Settings) -> Path:
    """Find the sandbox runtime; a relative path is looked up beside the service, wherever it was started from."""
    runtime = settings.sandbox_runtime
    return runtime if runtime.is_absolute() or runtime.exists() else PROJECT / runtime
