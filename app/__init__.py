"""Serve LibreChat's Code Interpreter API on sandboxes of our own."""

__version__ = "0.1.0"
