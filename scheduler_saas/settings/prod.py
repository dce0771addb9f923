"""Production: nothing is assumed. A missing variable stops the process with its name."""

from scheduler_saas.settings.base import *  # noqa: F403
from scheduler_saas.settings.base import env

SECRET_KEY = env("SECRET_KEY")
VAULT_KEYS = env.list("VAULT_KEYS", cast=str.strip)
if not SECRET_KEY or not VAULT_KEYS:
    raise ValueError("SECRET_KEY and VAULT_KEYS must not be empty in production")
if not env("DATABASE_URL"):
    raise ValueError(
        "DATABASE_URL must name a Postgres server in production; the embedded one is for development"
    )

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# Browsers take a cookie of such a name over TLS alone, for this host alone: no neighbouring tenant can plant one.
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)  # a year
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # browsers' preload lists are for the domain's owner to ask for
WHITENOISE_USE_FINDERS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "scheduler_saas.static_files.ReleaseStorage"},
}
