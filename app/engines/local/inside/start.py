"""Start the zygote, before anything is imported whose fork hooks would run in every jail."""

from __future__ import annotations

import sys

from app.runner import forkhooks

if __name__ == "__main__":
    forkhooks.keep_back()
    from app.engines.local.inside import zygote

    zygote.main(sys.argv[1:])
