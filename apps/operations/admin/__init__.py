"""The operators' pages of what more than one app has a part in: each registers its own."""

from apps.operations.admin import access, metered, runs  # noqa: F401
