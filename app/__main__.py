"""The commands, for ``python -m app``."""

from librechat_code_interpreter.__main__ import run

run()
