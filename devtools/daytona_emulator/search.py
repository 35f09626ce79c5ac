"""Choose sandboxes for a page of the list."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from starlette.datastructures import QueryParams

from devtools.daytona_emulator import strict
from devtools.daytona_emulator.box import Box
from devtools.daytona_emulator.errors import Problem

_LARGEST_PAGE = 200
_KEYS: dict[str, Callable[[Box], Any]] = {
    "createdAt": lambda box: box.created,
    "lastActivityAt": lambda box: box.active,
    "name": lambda box: box.name,
    "cpu": lambda box: box.wanted.get("cpu", 1),
    "memoryGib": lambda box: box.wanted.get("memory", 1),
    "diskGib": lambda box: box.wanted.get("disk", 3),
}


def page(boxes: list[Box], query: QueryParams, default_limit: int) -> tuple[list[Box], str | None]:
    """Return one page and the cursor of the next. Raises ``Problem`` 400."""
    limit = strict.integer(query.get("limit", str(default_limit)), "limit")
    if not 1 <= limit <= _LARGEST_PAGE:
        raise Problem(400, f"limit must be between 1 and {_LARGEST_PAGE}")
    key = _KEYS.get(query.get("sort", "createdAt"))
    if key is None:
        raise Problem(400, "sort is not one of " + ", ".join(_KEYS))
    labels = _labels(query)
    descending = query.get("order", "desc") == "desc"
    found = sorted(((key(box), box.id, box) for box in boxes if _matches(box, labels, query)), reverse=descending)
    return _after(found, query.get("cursor"), limit, descending=descending)


def _after(
    found: list[tuple[Any, str, Box]], cursor: str | None, limit: int, *, descending: bool
) -> tuple[list[Box], str | None]:
    """Cut a page out; a cursor is the place of the last one shown, so what is destroyed meanwhile shifts nothing."""
    if cursor is not None:
        last = _decoded(cursor)
        found = [entry for entry in found if (entry[:2] < last if descending else entry[:2] > last)]
    chosen = found[:limit]
    more = len(found) > limit
    return [box for *_, box in chosen], _encoded(chosen[-1][:2]) if more else None


def _encoded(place: tuple[Any, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _decoded(cursor: str) -> tuple[Any, str]:
    try:
        key, box_id = json.loads(base64.urlsafe_b64decode(cursor))
    except ValueError as error:
        raise Problem(400, "the cursor is not one of ours") from error
    return key, box_id


def _matches(box: Box, labels: dict[str, str], query: QueryParams) -> bool:
    states, snapshots = query.getlist("states"), query.getlist("snapshots")
    return (
        labels.items() <= box.labels.items()
        and box.name.lower().startswith(query.get("name", "").lower())
        and box.id.startswith(query.get("id", "").lower())
        and (not states or box.state in states)
        and (not snapshots or box.snapshot in snapshots)
    )


def _labels(query: QueryParams) -> dict[str, str]:
    try:
        labels = json.loads(query.get("labels", "{}"))
    except ValueError as error:
        raise Problem(400, "labels must be JSON") from error
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise Problem(400, "labels must be an object of strings")
    return labels
