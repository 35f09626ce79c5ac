"""Measurements for the performance targets that the table of programs does not cover."""
