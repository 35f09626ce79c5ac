"""The attack suite, run against a service of its own."""
