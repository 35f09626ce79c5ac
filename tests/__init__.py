"""All tests; shared helpers are imported from here."""
