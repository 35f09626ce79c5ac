"""Modules import in one direction only: no module needs itself by way of others, not even for type checkers."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp
import pytest


@pytest.mark.parametrize("package", ["librechat_code_interpreter", "attack", "bench", "devtools"])
def test_there_is_no_import_cycle(package: str) -> None:
    """A topological order of the modules exists; else ``CycleError`` names the cycle."""
    graph = grimp.build_graph(package)
    assert list(
        TopologicalSorter(
            {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
        ).static_order()
    )
