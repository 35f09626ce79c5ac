"""Attack a service as strangers' programs and callers would, and tell what was contained, and with what.

Each attack is a small program in ``programs/*.toml`` (or, for the HTTP side, a request in ``requests.toml``) with the
claim that it tries to break. ``python -m attack`` runs them all; the table in ``docs/security.md`` is its output.
"""
