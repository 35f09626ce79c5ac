"""Measure what the performance targets speak of, beyond the table of programs."""
