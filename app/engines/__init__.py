"""Engines that create sandboxes: implementations of ``app.core.protocols.Engine``."""
