"""Continuation tokens: the complete state of a paused run, signed.

So replicas keep no state, and a restart loses nothing. The program waits in its sandbox, and the client sends back the
state that the service needs.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from typing import Self

import jwt
from pydantic import BaseModel, Field

from librechat_code_interpreter.core.clock import running_seconds
from librechat_code_interpreter.core.errors import BadRequest, NotFound
from librechat_code_interpreter.core.principal import Principal

_ALGORITHM = "HS256"
_SHAPE = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class Continuation(BaseModel):
    """State of a paused run: its sandbox, its pending calls, its owner, and what finishing it needs."""

    run_id: str
    sandbox_id: str
    session_id: str
    language: str
    number: int
    """Number of the pause in which the program waits."""

    calls: list[str]
    key: str = ""
    """Opaque data of the engine, passed back to it with the results."""

    tenant: str | None = None
    user: str | None = None
    """The verified user, if there is one."""

    inputs: dict[str, tuple[str, str]] = Field(default_factory=dict)
    """Path in the workspace -> session id and file id that it was staged from."""

    notes: list[str] = Field(default_factory=list)
    received_bytes: int = 0
    """Total size of the tool results so far."""

    def belongs_to(self, principal: Principal) -> bool:
        """Return whether this caller may resume the run."""
        return (self.tenant, self.user) == owner_of(principal)

    def next(self, number: int, calls: list[str], received_bytes: int) -> Self:
        """Return the state at the run's next pause."""
        return self.model_copy(update={"number": number, "calls": calls, "received_bytes": received_bytes})


def owner_of(principal: Principal) -> tuple[str | None, str | None]:
    """Return the verified tenant and user; a user named by a header is unverified, and a later request may omit it."""
    return (principal.tenant, principal.user) if principal.is_verified else (None, None)


class ContinuationTokens:
    """Signs continuation tokens and verifies them."""

    def __init__(self, secret: str | None, seconds: float) -> None:
        """Sign with ``secret``, which all replicas share; without one, tokens are valid in this process only."""
        seed = secret.encode() if secret else secrets.token_bytes(32)
        self.outlive_us = secret is not None
        # running_seconds cannot be set, but is valid on this machine only
        self._now = time.time if self.outlive_us else running_seconds
        self._key = hashlib.sha256(b"continuation tokens\0" + seed).digest()
        self._seconds = seconds

    def write(self, ticket: Continuation) -> str:
        """Return the signed token."""
        claims = {"t": ticket.model_dump(exclude_defaults=True), "exp": self._now() + self._seconds}
        return jwt.encode(claims, self._key, _ALGORITHM)

    def read(self, token: str, principal: Principal) -> Continuation:
        """Verify and read a token.

        Raises ``BadRequest`` for a text that is not shaped like a token. Raises ``NotFound`` for a wrong signature, an
        expired token, or another caller's token.
        """
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
    """Return the error for a token without a waiting program; it gives no reason, since only the owner may know it."""
    return NotFound("The program that this token continues is unknown, has ended, or waited for too long.")
