"""Make the rivals from PyPI. Imported in their environment only, `.cache/bench` (bench/rivals.lock).

Each gets its best case: sessions and kernels are opened before the clock starts, and kept. A request of the service, by
contrast, is a new session every time.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from glob import glob
from importlib import import_module
from pathlib import Path
from queue import Queue
from typing import Any

from bench.contenders import Call, Contender, Place
from bench.measure import Failed
from bench.programs import Case

MOST_KERNELS = 8
"""A kernel with the stack loaded takes over 100 MiB, so more callers than this share them; each does one at a time."""

_LANGUAGES = {"py": "python", "js": "javascript", "bash": "python"}


@contextlib.contextmanager
def llm_sandbox(place: Place, case: Case, at_once: int) -> Iterator[Call | None]:
    """Keep one open session for each caller; a run is a bubblewrap of its own in it, with seccomp."""
    if case.lang not in _LANGUAGES:
        yield None
        return
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(_session(place, case)) for _ in range(at_once)]
        yield lambda number: _run_in(sessions[number], case)


def _session(place: Place, case: Case) -> Any:
    local = import_module("llm_sandbox.local.config")
    llm = import_module("llm_sandbox")

    env = {name: value for name, value in place.env.items() if name != "HOME"}
    config = local.LocalSandboxConfig(
        read_only_paths=(*local.DEFAULT_READ_ONLY_PATHS, place.runtime),
        python_executable=f"{place.runtime}/bin/python3",
        env=env,
    )
    return llm.SandboxSession(
        backend=llm.SandboxBackend.BUBBLEWRAP,
        lang=_LANGUAGES[case.lang],
        bwrap_path=place.bwrap,
        sandbox_config=config,
        skip_environment_setup=True,
    )


def _run_in(session: Any, case: Case) -> None:
    done = session.execute_command(f"bash -c '{case.code}'") if case.lang == "bash" else session.run(case.code)
    if done.exit_code or done.stdout.strip() != case.prints:
        raise Failed(f"{done.exit_code}: {done.stderr[-150:]}")
    if case.leaves:
        with tempfile.TemporaryDirectory() as directory:
            session.copy_from_runtime(f"/sandbox/{case.leaves}", f"{directory}/{case.leaves}")


@contextlib.contextmanager
def ipykernel(place: Place, case: Case, at_once: int) -> Iterator[Call | None]:
    """Keep warm kernels: no isolation, and every run sees what the runs before it left."""
    if case.lang not in ("py", "bash"):
        yield None
        return
    code = f"%%bash\n{case.code}" if case.lang == "bash" else case.code
    with contextlib.ExitStack() as stack:
        kernels = [stack.enter_context(_kernel(place)) for _ in range(min(at_once, MOST_KERNELS))]
        free: Queue[tuple[Any, str]] = Queue()
        for kernel in kernels:
            free.put(kernel)

        def call(_: int) -> None:
            kernel, directory = free.get()
            try:
                _ask(kernel, code, case, directory)
            finally:
                free.put((kernel, directory))

        yield call


@contextlib.contextmanager
def _kernel(place: Place) -> Iterator[tuple[Any, str]]:
    site = glob(f"{place.runtime}/lib/python3*/site-packages")
    env = {**os.environ, **place.env, "PYTHONPATH": ":".join(site)}
    with tempfile.TemporaryDirectory() as directory:
        manager, client = import_module("jupyter_client.manager").start_new_kernel(
            kernel_name="python3", env=env, cwd=directory
        )
        try:
            yield client, directory
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def _ask(kernel: Any, code: str, case: Case, directory: str) -> None:
    printed: list[str] = []

    def hook(message: dict[str, Any]) -> None:
        if message["header"]["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    answer = kernel.execute_interactive(code, output_hook=hook, timeout=120)
    if answer["content"]["status"] != "ok" or "".join(printed).strip() != case.prints:
        raise Failed(f"{answer['content']}: {printed}"[:200])
    if case.leaves:
        Path(directory, case.leaves).read_bytes()


RIVALS: dict[str, Contender] = {"llm-sandbox": llm_sandbox, "ipykernel": ipykernel}
