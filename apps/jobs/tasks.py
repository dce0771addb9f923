"""The tasks of connected platforms; autodiscovery imports the module of this name in every installed app."""

from apps.jobs.platforms import registry

__all__ = ["registry"]
