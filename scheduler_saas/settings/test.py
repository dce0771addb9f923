"""The test suite: development settings with cheap passwords and a quiet log."""

from scheduler_saas.settings.dev import *  # noqa: F403
from scheduler_saas.settings.dev import LOGGING as _logging
from scheduler_saas.settings.dev import env

DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = {**_logging, "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", default="WARNING")}}
WHITENOISE_AUTOREFRESH = True
