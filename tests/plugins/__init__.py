"""Plugins of the suite, loaded by name."""
