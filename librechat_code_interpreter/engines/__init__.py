"""Engines that create sandboxes: implementations of ``core.protocols.Engine``."""
