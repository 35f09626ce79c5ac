"""Programs to run in two ways, by topic; ``test_like_python`` says how and why."""

from __future__ import annotations

from typing import Final

from tests.runner.programs.ends import ENDS
from tests.runner.programs.files import FILES
from tests.runner.programs.hooks import HOOKS
from tests.runner.programs.modules import MODULES
from tests.runner.programs.processes import PROCESSES
from tests.runner.programs.streams import STREAMS
from tests.runner.programs.tracebacks import TRACEBACKS

_TOPICS = {
    "end": ENDS, "traceback": TRACEBACKS, "hook": HOOKS, "stream": STREAMS, "module": MODULES, "process": PROCESSES,
    "file": FILES,
}  # fmt: skip

PROGRAMS: Final = {f"{topic}: {name}": source for topic, table in _TOPICS.items() for name, source in table.items()}
