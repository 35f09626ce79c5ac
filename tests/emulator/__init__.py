"""The emulator answers Daytona's real SDK, over real HTTP, as Daytona was measured to."""
