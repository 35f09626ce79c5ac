"""What every engine promises, as tests. An engine passes by a subclass, and two fixtures in its module:

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def engine() -> AsyncIterator[Engine]: ...

    @pytest.fixture(scope="session")
    def facts() -> Facts: ...

    class TestMyEngine(EngineConformance): ...

Programs in here use the standard library of Python and what every bash has; nothing of a particular engine.
"""

from tests.engine.conformance.base import Facts
from tests.engine.conformance.files import Files
from tests.engine.conformance.isolation import Isolation
from tests.engine.conformance.leftovers import Leftovers
from tests.engine.conformance.life import Life
from tests.engine.conformance.pauses import Pauses
from tests.engine.conformance.runs import RunService
from tests.engine.conformance.space import Space


class EngineConformance(Life, Files, RunService, Pauses, Leftovers, Space, Isolation):
    """Everything that the core relies on."""


__all__ = ["EngineConformance", "Facts"]
