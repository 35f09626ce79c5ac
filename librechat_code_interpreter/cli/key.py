"""Creation of an API key in ``.env`` on the first start."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from librechat_code_interpreter.settings import load_settings

ENV_FILE = Path(".env")


def ensure_key(path: Path = ENV_FILE) -> bool:
    """Add an ``ADAPTER_API_KEY`` to the file if no credential is configured; return whether a key was added.

    Only its owner can read the file, from its creation on. Where the file cannot be written, as in a container, no key
    is created. Raises ``SettingsError`` for other bad settings.
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
        return False  # the start reports the missing setting
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    os.replace(fresh, path)
    return True
