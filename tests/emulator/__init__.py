"""Show that the emulator answers Daytona's real SDK, over real HTTP, as the real thing was measured to."""
