"""The test suite: development settings with cheap passwords and a quiet log."""

from scheduler_saas.settings.dev import *  # noqa: F403
from scheduler_saas.settings.dev import LOGGING, env

DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = {**LOGGING, "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", default="WARNING")}}
WHITENOISE_AUTOREFRESH = True
TASK_MODULES = ["tests.tasks", "tests.traces"]
PLATFORM_RECONCILE_INTERVAL = env.float("PLATFORM_RECONCILE_INTERVAL", default=0.0)
ALERTS_INTERVAL = env.float("ALERTS_INTERVAL", default=0.0)
NOTIFICATION_INTERVAL = env.float("NOTIFICATION_INTERVAL", default=0.0)
ANONYMOUS_REQUESTS_PER_MINUTE = 0  # hundreds of refusals a second; the tests of the limit set their own
