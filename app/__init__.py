"""Short names for use from the source tree: ``uvicorn app.main:app`` and ``python -m app``."""
