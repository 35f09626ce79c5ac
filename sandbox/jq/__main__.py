"""jq's command line, for machines that have no jq. `sandbox/bin/jq` starts it.

tests/test_jq_fallback.py compares it with the real one.
"""

import os
import signal
import sys

from command_line import USAGE, CommandLine
from program import OK, Jq


def main() -> int:
    """Run one jq command and return its exit code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `jq … | head` ends quietly
    line = CommandLine()
    if "help" in line or "version" in line:
        print(USAGE if "help" in line else "jq-1.8")
        return OK
    return Jq(line).run()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code & 0xFF)  # nothing is left to do, and the interpreter's teardown would cost more than the run
