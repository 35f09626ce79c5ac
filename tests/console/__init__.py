"""The operator's page, in a real browser and below it."""
