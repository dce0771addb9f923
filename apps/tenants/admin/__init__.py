"""The operators' pages of tenants, their people and the audit trail."""

from apps.tenants.admin import customers, people, trail  # noqa: F401 - each registers its pages
