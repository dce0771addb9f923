"""The suite's settings, with static files as a release has them: hashed and compressed, from RELEASED_STATIC."""

import os

from scheduler_saas.settings.test import *  # noqa: F403

STATIC_ROOT = os.environ["RELEASED_STATIC"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "scheduler_saas.static_files.ReleaseStorage"},
}
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = False
