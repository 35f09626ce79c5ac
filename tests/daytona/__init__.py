"""The Daytona engine, with the real SDK, over the emulator of Daytona's HTTP API."""
