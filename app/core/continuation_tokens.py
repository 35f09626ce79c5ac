"""Write all that is needed to go on with a paused run into the continuation token itself, signed.

So no replica has to remember anything, and a restart loses nothing: the program waits in its sandbox, and the client
brings what the service must know.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from typing import Self

import jwt
from pydantic import BaseModel, Field

from app.core.clock import running_seconds
from app.core.errors import BadRequest, NotFound
from app.core.principal import Principal

_ALGORITHM = "HS256"
_SHAPE = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class Continuation(BaseModel):
    """Know a paused run: where it waits, for what, whose it is, and what its end needs."""

    run_id: str
    sandbox_id: str
    session_id: str
    language: str
    number: int
    """Which of its pauses it waits in."""

    calls: list[str]
    key: str = ""
    """What the engine wants to hear with the results."""

    tenant: str | None = None
    user: str | None = None
    """The proven user, if one is proven."""

    inputs: dict[str, tuple[str, str]] = Field(default_factory=dict)
    """Path in the workspace -> session and file it was staged from."""

    notes: list[str] = Field(default_factory=list)
    received_bytes: int = 0
    """What the results took so far."""

    def belongs_to(self, principal: Principal) -> bool:
        """Tell whether this caller may go on with it."""
        return (self.tenant, self.user) == owner_of(principal)

    def next(self, number: int, calls: list[str], received_bytes: int) -> Self:
        """Give the ticket of the run's next pause."""
        return self.model_copy(update={"number": number, "calls": calls, "received_bytes": received_bytes})


def owner_of(principal: Principal) -> tuple[str | None, str | None]:
    """Give the proven tenant and user; a user that a header names is proven by nothing, and may be left out later."""
    return (principal.tenant, principal.user) if principal.is_verified else (None, None)


class ContinuationTokens:
    """Sign tickets, and read one's own again."""

    def __init__(self, secret: str | None, seconds: float) -> None:
        """Replicas share the ``secret``; without one, tickets are good in this process alone."""
        seed = secret.encode() if secret else secrets.token_bytes(32)
        self.outlive_us = secret is not None
        self._now = (
            time.time if self.outlive_us else running_seconds
        )  # which nobody can set, but only this machine knows
        self._key = hashlib.sha256(b"continuation tokens\0" + seed).digest()
        self._seconds = seconds

    def write(self, ticket: Continuation) -> str:
        """Give the token."""
        claims = {"t": ticket.model_dump(exclude_defaults=True), "exp": self._now() + self._seconds}
        return jwt.encode(claims, self._key, _ALGORITHM)

    def read(self, token: str, principal: Principal) -> Continuation:
        """Read a token. Raises ``BadRequest`` when it is none, ``NotFound`` when it is not this caller's, or old."""
        if _SHAPE.fullmatch(token) is None:
            raise BadRequest("continuation_token: this is no token of this service.")
        try:
            claims = jwt.decode(token, self._key, [_ALGORITHM], options={"require": ["exp"], "verify_exp": False})
        except jwt.PyJWTError:
            raise gone() from None
        ticket = Continuation(**claims["t"])
        if claims["exp"] < self._now() or not ticket.belongs_to(principal):
            raise gone()
        return ticket


def gone() -> NotFound:
    """Say that nothing waits for a token; why is nobody's business but the owner's, who knows."""
    return NotFound("The program that this token continues is unknown, has ended, or waited for too long.")
