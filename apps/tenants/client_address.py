"""Whose connection it is: the address that sign-ins and refused callers are counted by.

`X-Forwarded-For` is a list that each proxy appends the address of its own peer to, after whatever the client wrote into
it; so only as many entries, from the right, mean anything as there are proxies of ours (TRUSTED_PROXIES).
"""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """As seen by the outermost trusted proxy; the peer's own where there is none, or where it is not in the list."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    proxies: int = settings.TRUSTED_PROXIES
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if not 0 < proxies <= len(hops):
        return peer
    try:
        return str(ip_address(hops[-proxies]))
    except ValueError:
        return peer
