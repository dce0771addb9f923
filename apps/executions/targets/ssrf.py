"""Which addresses a tenant's request may reach. Pure: it resolves nothing and opens nothing.

The rule is default deny: an address passes if it is ordinary global unicast on an allowed port, or if the operator's
allow-list names it. Sources: the IANA special-purpose registries (RFC 6890 and its updates), RFC 6052 and 8215 (NAT64),
RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP), RFC 2765 (translated), and the clouds' metadata addresses.
Python's `is_global` alone is not enough: it differs between versions and passes several of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from yarl import URL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DEFAULT_PORTS = (80, 443, 8080, 8443)
MAX_URL_LENGTH = 2048


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part) for part in text.split())


# No allow-list reaches these: credentials of the machine are handed out there (AWS, GCP, Azure, Oracle, Alibaba).
METADATA = _networks(
    "169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192 fd00:ec2::254 fd20:ce::254"
)
SPECIAL_V4 = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24"
    " 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15"
    " 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
)
# All that is global in IPv6 today lies in 2000::/3; the rest (mapped, NAT64, site-local, multicast …) falls outside.
GLOBAL_V6 = IPv6Network("2000::/3")
SPECIAL_V6 = _networks("2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20")

# Host and port as RFC 3986 writes them. Parsers also take "+80", other scripts' digits and [v1.name], each its own way.
_PLAIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[^][:/?#@]+)(:[0-9]{1,5})?([/?#].*)?", re.IGNORECASE)
_NUMERIC_LABEL = re.compile(r"\d+|0x[0-9a-f]*")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class EgressRefusedError(OSError):
    """A request may not go there. The text names the host as it was written, never an address it resolved to.

    An OSError, so that a refusal at connect time travels the road of any failed connection.
    """


def embedded_ipv4(ip: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that a translator or tunnel could make of this one."""
    value = int(ip)

    def bits(shift: int) -> IPv4Address:
        return IPv4Address((value >> shift) & 0xFFFFFFFF)

    if value >> 32 in (0, 0xFFFF, 0xFFFF_0000, 0x64FF9B << 64) and value > 1:
        yield bits(0)  # compatible, mapped, translated, 64:ff9b::/96
    elif value >> 80 == 0x64FF9B_0001:  # 64:ff9b:1::/48, with a /96 or a /48 inside it
        split = IPv4Address(((value >> 48) & 0xFFFF_0000) | ((value >> 40) & 0xFFFF))
        yield from (address for address in (bits(0), split) if int(address))
    elif value >> 112 == 0x2002:
        yield bits(80)
    elif value >> 96 == 0x2001_0000:
        yield from (bits(64), IPv4Address((value & 0xFFFFFFFF) ^ 0xFFFFFFFF))
    elif (value >> 32) & 0xFDFF_FFFF == 0x0000_5EFE:
        yield bits(0)  # ISATAP, under any prefix


def _within(ip: Address, networks: Iterable[Network]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def _is_ordinary(ip: Address) -> bool:
    if isinstance(ip, IPv4Address):
        return ip.is_global and not _within(ip, SPECIAL_V4)
    return ip in GLOBAL_V6 and ip.is_global and not _within(ip, SPECIAL_V6)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The operator's rules. `allowed_networks` may be called on any port, though they are special; `refused_networks`
    never (a NAT64 prefix of one's own, the public addresses of one's own machines); the rest goes by the rule above.
    """

    allowed_networks: tuple[Network, ...] = ()
    refused_networks: tuple[Network, ...] = ()
    allowed_ports: frozenset[int] = frozenset(DEFAULT_PORTS)

    @classmethod
    def from_settings(cls) -> AddressPolicy:
        """Reads EGRESS_ALLOWED_NETWORKS, EGRESS_REFUSED_NETWORKS (CIDR strings) and EGRESS_ALLOWED_PORTS."""
        return _policy(
            tuple(getattr(settings, "EGRESS_ALLOWED_NETWORKS", ())),
            tuple(getattr(settings, "EGRESS_REFUSED_NETWORKS", ())),
            tuple(getattr(settings, "EGRESS_ALLOWED_PORTS", None) or DEFAULT_PORTS),
        )

    def permits(self, address: str, port: int) -> bool:
        """Whether a connection to this numeric address may be opened."""
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        if isinstance(ip, IPv6Address) and ip.scope_id is not None:
            return False
        if not 0 < port <= 65535 or not self._permits_ip(ip):
            return False
        return port in self.allowed_ports or _within(ip, self.allowed_networks)

    def _permits_ip(self, ip: Address) -> bool:
        if _within(ip, METADATA) or _within(ip, self.refused_networks):
            return False
        # Whatever holds an IPv4 address inside is judged by that address as well, allow-listed outside or not.
        if isinstance(ip, IPv6Address) and not all(self._permits_ip(inner) for inner in embedded_ipv4(ip)):
            return False
        return _within(ip, self.allowed_networks) or _is_ordinary(ip)

    def check_address(self, address: str, port: int, *, host: str | None = None) -> None:
        """Raises EgressRefusedError, in the name of `host` where the address came from resolving one."""
        if not self.permits(address, port):
            raise EgressRefusedError(
                f"{host or address} on port {port} is not a place that may be called from here"
            )

    def check_url(self, text: str) -> URL:
        """The URL as it may be requested: host in ASCII without a trailing dot, no fragment. Raises EgressRefusedError.

        A name passes here by its form; the addresses behind it are checked when it is resolved and again on connect.
        """
        if len(text) > MAX_URL_LENGTH:
            raise EgressRefusedError(f"the URL is longer than {MAX_URL_LENGTH} characters")
        return _checked_url(self, text)

    def _checked(self, text: str) -> URL:
        if re.search(r"[\x00-\x20\x7f\\]", text):
            raise EgressRefusedError("the URL holds a blank, a control character or a backslash")
        try:
            url = URL(text)
            host, port = (url.raw_host or "").lower(), url.port
        except (ValueError, UnicodeError) as error:
            raise EgressRefusedError(f"this is not a URL: {error}") from None
        if url.scheme not in ("http", "https") or not host or not port:
            raise EgressRefusedError("the URL must start with http:// or https:// and name a host")
        if "@" in url.raw_authority:
            raise EgressRefusedError("the URL must not hold a user name or a password")
        if not _PLAIN.fullmatch(text):
            raise EgressRefusedError("the URL's host or port is not in its usual form")
        literal = host if ":" in host else host.removesuffix(".")
        try:
            ip_address(literal)
        except ValueError:
            self._check_name(literal, port)
        else:
            self.check_address(literal, port)
        return url.with_host(literal).with_fragment(None)

    def _check_name(self, host: str, port: int) -> None:
        labels = host.split(".")
        # Resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as addresses; a name never ends in a number (WHATWG URL).
        if _NUMERIC_LABEL.fullmatch(labels[-1]):
            raise EgressRefusedError(f"{host} is neither a host name nor an address in its usual form")
        if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
            raise EgressRefusedError(f"{host[:80]} is not a host name")
        if port not in self.allowed_ports and not self.allowed_networks:
            raise EgressRefusedError(
                f"port {port} may not be called; allowed are {sorted(self.allowed_ports)}"
            )


# Both are pure, and a job asks for the same URL each time. Refusals are not remembered: they are rare, and cost a look.
@lru_cache(maxsize=8)
def _policy(allowed: tuple[str, ...], refused: tuple[str, ...], ports: tuple[int, ...]) -> AddressPolicy:
    return AddressPolicy(
        tuple(map(ip_network, allowed)), tuple(map(ip_network, refused)), frozenset(map(int, ports))
    )


@lru_cache(maxsize=4096)
def _checked_url(policy: AddressPolicy, text: str) -> URL:
    return policy._checked(text)
