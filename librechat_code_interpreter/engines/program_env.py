"""Environment of programs that all engines share (K13, K22)."""

from __future__ import annotations

COLUMNS = 200
"""Width of a table that pandas prints: at 80 columns, half of twelve usual columns would be left out."""


def program_env(workspace: str, scratch: str, threads: int) -> dict[str, str]:
    """Return the environment without the paths of tools, which depend on the sandbox."""
    return {
        "HOME": workspace,
        "PWD": workspace,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": str(COLUMNS),
        "TMPDIR": scratch,
        "XDG_CACHE_HOME": f"{scratch}/.cache",
        "XDG_CONFIG_HOME": f"{scratch}/.config",
        "MPLBACKEND": "Agg",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **number_of_threads(threads),
    }


def number_of_threads(threads: int) -> dict[str, str]:
    """Return the variables that limit the threads of numerical libraries."""
    return dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
