"""Launcher that drops from root to an unprivileged uid and executes bubblewrap; ``zygote_client`` runs it as a script.

Directories that the uid cannot reach by path (such as a Python below ``/root``) are first mounted where it can. This
happens in a mount namespace of this process alone.
"""

from __future__ import annotations

import json
import os
import sys

from librechat_code_interpreter.engines.local.inside import syscalls as sys_


def main(order: str) -> None:
    """Mount the staged paths, drop to the uid and execute.

    ``order`` is JSON: ``stage`` (pairs of paths), ``uid``, ``argv``.
    """
    parsed = json.loads(order)
    if parsed["stage"]:
        sys_.unshare(sys_.CLONE_NEWNS)
        sys_.mount("none", "/", None, sys_.MS_REC | sys_.MS_PRIVATE)
        for source, place in parsed["stage"]:
            sys_.mount(source, place, None, sys_.MS_BIND)
    os.setgroups([])
    os.setresgid(parsed["uid"], parsed["uid"], parsed["uid"])
    os.setresuid(parsed["uid"], parsed["uid"], parsed["uid"])
    os.execv(parsed["argv"][0], parsed["argv"])  # noqa: S606  our own command line, no shell


if __name__ == "__main__":
    main(sys.argv[1])
