"""The wire contract, statement by statement, against the real application on the real local engine."""
