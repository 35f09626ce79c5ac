"""Whatever of the Makefile takes more than a line."""
