"""HTTP layer: the wire contract and nothing else."""
