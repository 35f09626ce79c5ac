"""Command line: serve, run one program, check the machine."""
