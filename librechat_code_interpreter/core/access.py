"""Access rules of sessions (K9). A session that the caller may not see does not exist for them."""

from __future__ import annotations

from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.session import RUNNABLE, Record, Scope, ScopeKind


def private_scope(principal: Principal) -> Scope:
    """Return the scope of sessions that this caller creates for themselves."""
    if principal.is_verified:
        return Scope(kind="user", tenant=principal.tenant, owner=principal.user)
    return Scope()


def shared_scope(principal: Principal, kind: ScopeKind, id_: str, version: str | None) -> Scope:
    """Return the scope of a session that belongs to an agent or a skill."""
    owner = principal.user if principal.is_verified else None
    return Scope(kind=kind, tenant=principal.tenant, owner=owner, id=id_, version=version)


def may_read(principal: Principal, record: Record) -> bool:
    """Return whether the caller may see a session and read its files.

    Without a JWT an id is a capability. It gives access to sessions made without a JWT, and to no tenant's session.
    """
    scope = record.scope
    if scope.tenant != principal.tenant:
        return False
    return scope.kind != "user" or scope.owner == principal.user


def may_change(principal: Principal, record: Record) -> bool:
    """Return whether the caller may add or delete files; in a shared session only its uploader may."""
    return may_read(principal, record) and record.scope.owner in (None, principal.user)


def may_run(principal: Principal, record: Record) -> bool:
    """Return whether the caller may run programs in a session (K16)."""
    return record.scope.kind in RUNNABLE and may_change(principal, record)
