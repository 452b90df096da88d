"""Servers that model the outside world, for tests."""
