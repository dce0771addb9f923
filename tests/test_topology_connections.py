"""Sessions: how many each process has, what happens when there is room for none, and when there is no server."""

from __future__ import annotations
