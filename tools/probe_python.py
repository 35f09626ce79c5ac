"""Check whether the Python that runs this suits tools/pick_python.sh: print its real path and exit with a code.

0: it fits. 3: its version does not. 4: it fits, but only root can reach its files, and the local engine runs
programs as an unprivileged user. Kept to what old Pythons understand, too.
"""

import os
import sys

NOBODY = 65534

if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(3)

# Not the venv that may be active, and not a pyenv shim, which costs 0.2 s at each start.
executable = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
print(executable)

if os.getuid() == 0:
    try:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    except OSError:
        sys.exit(0)  # a container without that user: nothing to find out this way
    if not (os.access(executable, os.X_OK) and os.access(os.__file__, os.R_OK)):
        sys.exit(4)
