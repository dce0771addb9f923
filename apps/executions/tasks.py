"""The tasks this app brings; autodiscovery imports the module of this name in every installed app."""

from apps.executions.targets import endpoint  # registers its own
from apps.executions.targets.builtin import http_check, http_request

__all__ = ["endpoint", "http_check", "http_request"]
