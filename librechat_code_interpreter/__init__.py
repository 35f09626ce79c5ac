"""LibreChat's Code Interpreter API on self-hosted sandboxes."""

__version__ = "0.1.0"
