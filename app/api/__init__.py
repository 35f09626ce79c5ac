"""Speak the wire contract, and nothing else."""
