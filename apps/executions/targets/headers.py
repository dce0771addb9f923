"""Header fields a tenant may set on its requests (RFC 9110, section 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_FIELDS = 50
MAX_BYTES = 8192
# What frames the message belongs to the client, what vouches for it belongs to us.
RESERVED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
RESERVED_PREFIXES = ("webhook-", "scheduler-")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


class HeaderError(ValueError):
    """A header field that may not be sent; the text says which and why."""


def check_headers(headers: Mapping[str, str], *, own: bool = False) -> dict[str, str]:
    """The fields, checked. `own` lets the scheduler set the names that tenants may not. Raises HeaderError.

    Values are printable ASCII: a line break would start another field, or another request.
    """
    if (
        len(headers) > MAX_FIELDS
        or sum(len(name) + len(value) for name, value in headers.items()) > MAX_BYTES
    ):
        raise HeaderError(f"more than {MAX_FIELDS} header fields, or more than {MAX_BYTES} bytes of them")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise HeaderError(f"{name[:60]!r} is not a header name")
        if not own and (name.lower() in RESERVED or name.lower().startswith(RESERVED_PREFIXES)):
            raise HeaderError(f"the header {name} is set by the scheduler itself")
        if not _VALUE.fullmatch(value):
            raise HeaderError(f"the value of the header {name} holds something else than printable ASCII")
    return dict(headers)
