"""Attacks on a service by hostile programs and callers; reports what was contained, and by what.

Each attack is a small program in ``programs/*.toml`` (or, for the HTTP side, a request in ``requests.toml``) with the
claim that it tries to break. ``python -m attack`` runs them all; the table in ``docs/security.md`` is its output.
"""
