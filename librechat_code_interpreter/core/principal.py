"""Identity of a caller."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Method = Literal["key", "jwt", "none"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request.

    Only a JWT sets ``tenant``. Without one, ids are capabilities and ``user`` is only a hint for affinity (contract,
    section 2).
    """

    method: Method
    tenant: str | None = None
    user: str | None = None

    @property
    def is_verified(self) -> bool:
        """Whether tenant and user are proven by a signature."""
        return self.tenant is not None

    def known_as(self, user: str | None) -> Principal:
        """Return the caller with an unproven user name (``User-Id`` header, body ``user_id``); a proven one is kept."""
        if self.is_verified or self.user or not user:
            return self
        return replace(self, user=user)
