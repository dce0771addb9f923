"""The processes that `manage.py demo` starts: development's settings, the demo's tasks, no debugging."""

from scheduler_saas.settings.dev import *  # noqa: F403
from scheduler_saas.settings.dev import INSTALLED_APPS, SHARED_APPS

DEBUG = False
SHARED_APPS = [*SHARED_APPS, "scheduler_saas.demo"]
INSTALLED_APPS = [*INSTALLED_APPS, "scheduler_saas.demo"]
