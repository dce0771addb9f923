"""The pages and the API as a WSGI application. Production settings unless DJANGO_SETTINGS_MODULE says otherwise."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_saas.settings.prod")

application = get_wsgi_application()
