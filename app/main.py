"""The application, for ``uvicorn app.main:app``."""

from librechat_code_interpreter.main import app

__all__ = ["app"]
