"""Fork a child with the runner in it for every connection; started by ``host``.

The test process cannot fork a runner itself: it has threads and, from other tests, children that a runner would kill.

    python -P -m tests.runner.forking DESCRIPTOR [MODULE ...]
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
import traceback
from typing import NoReturn

from librechat_code_interpreter.runner.serve import serve


def main(descriptor: str, *preload: str) -> None:
    """Import ``preload``, then serve until the other end of the descriptor closes."""
    for name in preload:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control = socket.socket(fileno=int(descriptor))
    while connections := socket.recv_fds(control, 1, 1)[1]:
        if os.fork() == 0:
            control.close()
            _be_runner(socket.socket(fileno=connections[0]))
        os.close(connections[0])


def _be_runner(wire: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        serve(wire)
    except BaseException:  # noqa: BLE001  the end of this process either way; ``host`` shows what was printed
        traceback.print_exc()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
