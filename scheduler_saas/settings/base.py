"""Settings shared by every environment. Every variable read here is documented in `.env.example`."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import environ

from scheduler_saas.settings.logging import logging_config

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent.parent
if (BASE_DIR / ".env").exists():
    env.read_env(str(BASE_DIR / ".env"))

VERSION = "0.2.0"
# Of what runs outside a checkout: the commit it was built of. Gates compare the results of the test matrix with it.
RELEASE_COMMIT = env("RELEASE_COMMIT", default="")
EVIDENCE_DIR = env("EVIDENCE_DIR", default=str(BASE_DIR / "var" / "evidence"))
DEBUG = False
SECRET_KEY = env("SECRET_KEY", default="")

# Hosts. A request is answered by what its host is: the operators' (admin), the API host (the key names the tenant),
# or a tenant's own domain. Tenant domains are rows, so ALLOWED_HOSTS is open and the tenant middleware decides.
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", cast=str.strip, default=["*"])
PUBLIC_HOSTS = env.list("PUBLIC_HOSTS", cast=str.strip, default=["localhost", "127.0.0.1"])
API_HOSTS = env.list("API_HOSTS", cast=str.strip, default=["api.localhost"])
# A tenant made without a domain gets <its name>.<this>.
TENANT_DOMAIN_SUFFIX = env("TENANT_DOMAIN_SUFFIX", default="localhost")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", cast=str.strip, default=[])

SHARED_APPS = [
    "scheduler_saas",  # before django_tenants: its migrate command takes precedence
    "apps.tenants",
    "django_tenants",
    "apps.leadership",
    "apps.executions",
    "apps.jobs",
    "apps.operations",
    "apps.dashboard",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "scheduler_saas.admin_config.OperatorsAdminConfig",  # django.contrib.admin, with our site
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
]
TENANT_APPS = ["apps.vault"]
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
GET_EXECUTOR_FUNCTION = "apps.tenants.migrating.executor"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
PUBLIC_SCHEMA_NAME = "public"
PUBLIC_SCHEMA_URLCONF = "scheduler_saas.urls_public"
ROOT_URLCONF = "scheduler_saas.urls_tenant"
WSGI_APPLICATION = "scheduler_saas.wsgi.application"
AUTH_USER_MODEL = "tenants.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "scheduler_saas.logs.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "scheduler_saas.browser_headers.ContentSecurityPolicyMiddleware",
    "scheduler_saas.browser_headers.BrowserHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "scheduler_saas.middleware.ProbeMiddleware",
    "scheduler_saas.rate_limits.RefusedCallersMiddleware",
    "scheduler_saas.middleware.TenantMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "scheduler_saas.rate_limits.RateLimitMiddleware",  # after authentication, outside the READ ONLY transaction
    "scheduler_saas.middleware.ReadOnlyMiddleware",  # last: it runs the view of a GET in a READ ONLY transaction
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The database. With DATABASE_URL unset, `scheduler_saas.embedded` starts one at the first connection.
DATABASE_URL = env("DATABASE_URL", default="")
if DATABASE_URL:
    _default = {**env.db_url("DATABASE_URL"), "ENGINE": "scheduler_saas.postgres"}
else:
    _default = {"ENGINE": "scheduler_saas.postgres", "EMBEDDED": True, "NAME": "scheduler"}
_default.setdefault("OPTIONS", {})
DATABASES = {
    "default": {**_default, "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=60), "CONN_HEALTH_CHECKS": True}
}
# A direct route to the primary for schedulers where DATABASE_URL leads through a pooler.
LEADER_DATABASE_URL = env("LEADER_DATABASE_URL", default="")

# Where requests are counted (a URL of the `limits` library): in each process, or in a Redis that all of them share.
CACHE_URL = env("CACHE_URL", default="memory://")
ANONYMOUS_REQUESTS_PER_MINUTE = env.int(
    "ANONYMOUS_REQUESTS_PER_MINUTE", default=60
)  # by address; 0: no limit

# How long an operator sees one tenant's outputs and payloads, once they have said why.
BREAK_GLASS_MINUTES = env.int("BREAK_GLASS_MINUTES", default=15)

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = ["scheduler_saas.formats"]
USE_TZ = True

RUNBOOKS_DIRECTORY = BASE_DIR / "docs" / "runbooks"  # a release has the runbooks that go with it

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

# What a page may load and do. Tenants' hosts serve JSON and pages of our own without inline code; the operators' admin
# (django-unfold) evaluates expressions in its markup (Alpine) and has inline scripts and styles.
_NOBODY, _SELF = "'none'", "'self'"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [_NOBODY],
        "script-src": [_SELF],
        "style-src": [_SELF],
        "img-src": [_SELF, "data:"],
        "connect-src": [_SELF],
        "base-uri": [_NOBODY],
        "form-action": [_SELF],
        "frame-ancestors": [_NOBODY],
        "object-src": [_NOBODY],
    }
}
OPERATORS_CONTENT_SECURITY_POLICY = {
    **CONTENT_SECURITY_POLICY["DIRECTIVES"],
    "script-src": [_SELF, "'unsafe-inline'", "'unsafe-eval'"],
    "style-src": [_SELF, "'unsafe-inline'"],
    "font-src": [_SELF],
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True  # pages carry the token; no script reads the cookie
CSRF_FAILURE_VIEW = "apps.dashboard.errors.csrf_failure"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

# Bytes of a request's body. A job's payload may have 256 KiB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_REDIRECT_URL = "/admin/"  # for who opens the sign-in page by itself
AXES_ENABLE_ADMIN = False  # apps.tenants.admin has its own page of failed sign-ins
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=10)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "apps.dashboard.errors.locked_out"
AXES_CLIENT_IP_CALLABLE = "apps.tenants.client_address.client_address"
# How many proxies of ours a request passes; each appends to X-Forwarded-For. 0: the peer is the client.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.tenants.authentication.ApiKeyAuthentication",
        "apps.tenants.authentication.MemberSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.tenants.permissions.IsMember"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.tenants.api.parsing.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.tenants.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "DATETIME_FORMAT": "iso-8601",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Scheduler SaaS",
    "DESCRIPTION": "Jobs, their executions, and why each one ran or did not.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SCHEMA_PATH_PREFIX": "/api/scheduler/",
    "SERVE_PERMISSIONS": ["apps.tenants.permissions.IsMember"],
    # Instead of the default hook, which moves every enumeration into a component of its own.
    "POSTPROCESSING_HOOKS": ["apps.dashboard.api.openapi.finish"],
}

UNFOLD = {
    "SITE_TITLE": "Scheduler SaaS",
    "SITE_HEADER": "Scheduler SaaS",
    "SITE_SUBHEADER": "Operators",
    "SITE_SYMBOL": "schedule",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "scheduler_saas.navigation.icon"}],
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["scheduler_saas.navigation.stylesheet"],
    "SIDEBAR": {"show_search": False, "navigation": "scheduler_saas.navigation.sidebar"},
}

# Keys that encrypt tenants' content at rest, newest first; each tenant's key is derived from these.
VAULT_KEYS = env.list("VAULT_KEYS", cast=str.strip, default=[])

# Days between the request to delete a tenant and the deletion.
TENANT_DELETION_DELAY = env.float("TENANT_DELETION_DELAY", default=7.0)

# Outbound requests: only globally routable addresses, unless the operator lists the network here.
EGRESS_ALLOWED_NETWORKS = env.list("EGRESS_ALLOWED_NETWORKS", cast=str.strip, default=[])
EGRESS_REFUSED_NETWORKS = env.list("EGRESS_REFUSED_NETWORKS", cast=str.strip, default=[])
EGRESS_ALLOWED_PORTS = env.list("EGRESS_ALLOWED_PORTS", cast=int, default=[80, 443, 8080, 8443])

# Email, for notifications, invitations and on-call: smtp+tls://user:password@host:587, and others of django-environ.
# dummymail://: none is sent.
_email = env.email_url("EMAIL_URL", default="dummymail://")
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST = _email["EMAIL_HOST"] or "localhost"
EMAIL_PORT = _email["EMAIL_PORT"] or 25
EMAIL_HOST_USER = _email["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=10)
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="scheduler@localhost")

# The scheduler. All values in seconds.
CHECK_INTERVAL = env.float("CHECK_INTERVAL", default=60.0)
ELECTION_POLL = env.float("ELECTION_POLL", default=0.025)
LEADER_HEARTBEAT = env.float("LEADER_HEARTBEAT", default=0.5)
LEADER_TRUST_WINDOW = env.float("LEADER_TRUST_WINDOW", default=5.0)
LEADER_IDLE_TIMEOUT = env.float("LEADER_IDLE_TIMEOUT", default=3.0)
LEADER_STATEMENT_TIMEOUT = env.float("LEADER_STATEMENT_TIMEOUT", default=30.0)
DISPATCH_CHUNK = env.int("DISPATCH_CHUNK", default=2500)  # rows

# Workers. Seconds, but for the counts.
LEASE_SECONDS = env.float("LEASE_SECONDS", default=30.0)
LEASE_HEARTBEAT = env.float("LEASE_HEARTBEAT", default=5.0)
WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", default=500)  # executions at once
WORKER_PROCESSES = env.int("WORKER_PROCESSES", default=2)  # for plain functions
WORKER_POLL = env.float("WORKER_POLL", default=1.0)
WORKER_DRAIN = env.float("WORKER_DRAIN", default=20.0)
PLATFORM_RECONCILE_INTERVAL = env.float("PLATFORM_RECONCILE_INTERVAL", default=300.0)  # 0: not by workers
ALERTS_INTERVAL = env.float("ALERTS_INTERVAL", default=15.0)  # 0: not by workers
NOTIFICATION_INTERVAL = env.float("NOTIFICATION_INTERVAL", default=5.0)  # 0: not by workers
TASK_MODULES = env.list(
    "TASK_MODULES", cast=str.strip, default=[]
)  # modules that register tasks, beside the apps' own

# Mail to on-call when an alert begins and when it ends. Nobody: none is sent.
ONCALL_EMAIL = env.list("ONCALL_EMAIL", cast=str.strip, default=[])

# What schedulers and workers tell of themselves: figures on a port of their own (0: none), and traces.
METRICS_PORT = env.int("METRICS_PORT", default=0)
METRICS_HOST = env("METRICS_HOST", default="127.0.0.1")
OTEL_EXPORTER_OTLP_ENDPOINT = env("OTEL_EXPORTER_OTLP_ENDPOINT", default="")  # unset: no traces

LOG_LEVEL = env("LOG_LEVEL", default="INFO")
LOG_FORMAT = env("LOG_FORMAT", default="text")
LOGGING = logging_config(level=LOG_LEVEL, form=LOG_FORMAT)

for _cidr in (*EGRESS_ALLOWED_NETWORKS, *EGRESS_REFUSED_NETWORKS):
    ip_network(_cidr)  # a mistyped network stops the process, and not some later request
