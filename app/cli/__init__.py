"""Serve, run one program, or examine the machine, from the command line."""
