"""Plugins of the suite, loaded by name."""

import pytest

POSTGRES = pytest.StashKey[str]()  # of a session's config: the server's version, once there is a database
