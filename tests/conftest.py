"""Fixtures for all tests."""

from tests.service import live_service

__all__ = ["live_service"]
