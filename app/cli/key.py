"""Make an API key on the first start and keep it in ``.env``."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from app.settings import load_settings

ENV_FILE = Path(".env")


def ensure_key(path: Path = ENV_FILE) -> bool:
    """Add an ``ADAPTER_API_KEY`` to the file when no credential is configured at all; tell whether it was done.

    The file is readable by its owner alone from the moment it exists. In a container, where none can be written,
    none is made. Raises ``SettingsError`` for other bad settings.
    """
    settings = load_settings(path, serving=False)
    if settings.has_credential or settings.adapter_auth == "none":
        return False
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = [line for line in text.splitlines() if line.strip() not in ("ADAPTER_API_KEY=", "export ADAPTER_API_KEY=")]
    lines.append(f"ADAPTER_API_KEY={secrets.token_urlsafe(32)}")
    fresh = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError:
        return False  # the start says which setting is missing
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    os.replace(fresh, path)
    return True
