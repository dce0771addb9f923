"""The pages and the API as a WSGI application. Production settings unless DJANGO_SETTINGS_MODULE says otherwise."""

import json
import os
from collections.abc import Callable, Iterable
from email.message import Message
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_saas.settings.prod")

_django = get_wsgi_application()
_UTF_8 = ("utf-8", "utf8")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django, for requests in UTF-8; others get 415.

    Django reads the query string in the charset of the Content-Type before any middleware could refuse it: codecs such
    as rot13 raise, and punycode takes quadratic time.
    """
    if _charset(environ.get("CONTENT_TYPE", "")) in _UTF_8:
        return _django(environ, start_response)
    body = json.dumps({"detail": "Send UTF-8."}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("415 Unsupported Media Type", headers)
    return [body]


def _charset(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    return str(header.get_param("charset", _UTF_8[0])).strip().lower()
