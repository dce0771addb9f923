"""Development and the demo: works with nothing configured; never for production."""

from scheduler_saas.settings import base
from scheduler_saas.settings.base import *  # noqa: F403
from scheduler_saas.settings.base import env

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = base.SECRET_KEY or "development-only-not-a-secret"
VAULT_KEYS = base.VAULT_KEYS or ["development-only-not-a-secret"]
# The demo's receiver and a developer's own services live on loopback.
EGRESS_ALLOWED_NETWORKS = env.list(
    "EGRESS_ALLOWED_NETWORKS", cast=str.strip, default=["127.0.0.0/8", "::1/128"]
)
if not env("EMAIL_URL", default=""):
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"  # to the worker's own output
