"""Entry point of the zygote: keeps back fork hooks before an import registers one, since it would run in every jail."""

from __future__ import annotations

import sys

from librechat_code_interpreter.runner import forkhooks

if __name__ == "__main__":
    forkhooks.keep_back()
    from librechat_code_interpreter.engines.local.inside import zygote

    zygote.main(sys.argv[1:])
