"""Bound how many programs one user, or one tenant, starts; made only when there is such a limit."""

from __future__ import annotations

from typing import Any, Protocol

from app.core.course import Course
from app.core.paused import Paused
from app.core.principal import Principal
from app.core.results import RunResult
from app.core.runs import RunOrder, Runs


class Rates(Protocol):
    """Count the programs that a caller starts."""

    async def admit(self, principal: Principal) -> None:
        """Count one more. Raises ``Busy``, and counts nothing, when it is one too many."""
        ...


class LimitedRuns(Runs):
    """Run programs, of each caller no more than the rates allow; to go on with one that waited is no new one."""

    def __init__(self, rates: Rates, *parts: Any) -> None:
        super().__init__(*parts)
        self._rates = rates

    async def _begin(self, order: RunOrder, course: Course) -> RunResult | Paused:
        await self._rates.admit(order.principal)
        return await super()._begin(order, course)
