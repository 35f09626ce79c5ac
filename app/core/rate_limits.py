"""Limits on how many programs one user, or one tenant, starts in a time."""

from __future__ import annotations

from typing import Protocol

from app.core.principal import Principal


class Rates(Protocol):
    """Counts the programs that callers start."""

    async def admit(self, principal: Principal) -> None:
        """Count one more. Raises ``Busy``, and counts nothing, when it is over a limit."""
        ...
