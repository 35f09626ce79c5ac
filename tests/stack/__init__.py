"""Packages, programs and fonts of the sandbox, each in use."""
