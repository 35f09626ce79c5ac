"""Patch for ``multiprocessing`` with the ``spawn`` start method, for a main module without a file in the workspace."""

from __future__ import annotations

import types
from typing import Any

from librechat_code_interpreter.runner import afterimport


def install(shown: str, real: str) -> None:
    """Make children that import the main module again read ``real`` instead of ``shown``, the parent's path."""

    def patch(module: types.ModuleType) -> None:
        original = module.get_preparation_data

        def get_preparation_data(name: str) -> dict[str, Any]:
            data: dict[str, Any] = original(name)
            if data.get("init_main_from_path") == shown:
                data["init_main_from_path"] = real
            return data

        module.__dict__["get_preparation_data"] = get_preparation_data

    afterimport.call("multiprocessing.spawn", patch)
