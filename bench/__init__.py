"""Measure the service beside its rivals, in turn, on the same machine: `make bench`, or `make bench-quick`."""
