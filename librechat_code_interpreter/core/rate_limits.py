"""Limits on how many programs one user or one tenant starts within a time window."""

from __future__ import annotations

from typing import Protocol

from librechat_code_interpreter.core.principal import Principal


class Rates(Protocol):
    """Counts the programs that callers start."""

    async def admit(self, principal: Principal) -> None:
        """Count one more program. If that exceeds a limit, raise ``Busy`` and do not count it."""
        ...
