"""What may be asked for: schemes, hosts, addresses, ports, and how much of everything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from backendhub.kit.errors import Invalid

from .addresses import Address, Network, is_public

if TYPE_CHECKING:
    import httpx

    from backendhub.kit.settings import Settings

MAX_URL = 4096
# From 1024 up, the ports on which no web server is expected: "port blocking" of the Fetch standard, Redis, memcached.
BAD_PORTS = {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6679, 6697, 10080, 11211}
BAD_PORTS |= set(range(6665, 6670))


class Refused(Invalid):
    """An address that this server does not ask, whoever wants it to."""

    code, title = "address_refused", "Address refused"


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one request. `allow` and `hosts` are exceptions for addresses that are not public.

    Without `ports`, 80, 443 and those from 1024 up are allowed, less the ones that belong to other protocols.
    Sizes are in bytes after decompression, times in seconds: `total` for everything, `idle` for each wait.
    """

    allow: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    ports: tuple[range, ...] = ()
    redirects: int = 5
    max_bytes: int = 10 << 20
    total: float = 30.0
    idle: float = 10.0

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """The policy that `fetch.allow` and `fetch.ports` describe. Raises Invalid for what cannot be read."""
        networks: list[Network] = []
        hosts: set[str] = set()
        for word in re.split(r"[\s,]+", (settings.get("fetch.allow") or "").strip()):
            try:
                networks.append(ip_network(word.strip("[]")))
            except ValueError:
                if word and not re.fullmatch(r"[A-Za-z_](?:[\w.-]*\w)?", word):
                    hint = "write addresses, networks (10.0.0.0/8) and host names, with commas between"
                    raise Invalid(f"fetch.allow names {word!r}.", hint=hint) from None
                hosts |= {_host(word)} if word else set()
        return cls(tuple(networks), frozenset(hosts), _ports(settings.get("fetch.ports") or ""))

    def admits(self, address: Address, host: str) -> bool:
        """Whether a request to this host may go to this address."""
        if is_public(address) or host in self.hosts:
            return True
        return any(address.version == network.version and address in network for network in self.allow)

    def admits_port(self, port: int) -> bool:
        """Whether a web server may be expected on a port."""
        if self.ports:
            return any(port in span for span in self.ports)
        return port in (80, 443) or (1024 <= port <= 65535 and port not in BAD_PORTS)


def _ports(text: str) -> tuple[range, ...]:
    spans = []
    for word in re.split(r"[\s,]+", text.strip()):
        if not word:
            continue
        match = re.fullmatch(r"([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?", word)
        if match is None or int(match[2] or match[1]) > 65535:
            raise Invalid(f"fetch.ports names {word!r}.", hint="write 80,443,8000-8999")
        spans.append(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(spans)


def _host(text: str) -> str:
    return text.lower().rstrip(".")


def check(url: str, policy: Policy, *, trusted: bool = False) -> httpx.URL:
    """The address, taken apart. Raises Refused for one that would not even be looked up.

    Worth calling when an address is registered (a webhook, say): the person is told at once what the delivery would
    find out later. It says nothing about where a name leads; that is judged at each connection. `trusted` is for an
    address that the operator wrote: port, credentials and a literal address are then left unjudged.
    """
    import httpx

    if len(url) > MAX_URL or not url.isprintable() or re.search(r"[\s\\]", url):
        raise Refused("The address is no well-formed URL.", hint="write https://host/path")
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise Refused(
            f"The address is no well-formed URL: {error}.", hint="write https://host/path"
        ) from None
    if parts.scheme not in ("http", "https"):
        raise Refused(
            f"Only http and https are fetched, not {parts.scheme or 'an address without a scheme'!r}."
        )
    if not re.fullmatch(r"[\w.-]+|[0-9a-fA-F:.%]*:[\w:.%]*", parts.host):
        raise Refused("The address names no host.", hint="write https://host/path")
    if trusted:
        return parts
    if parts.userinfo:
        raise Refused("The address holds a user name or password.", hint="leave them out of the URL")
    port = (443 if parts.scheme == "https" else 80) if parts.port is None else parts.port
    if not policy.admits_port(port):
        raise Refused(f"Port {port} is not fetched from.")
    try:
        address = ip_address(parts.host)
    except ValueError:
        return parts
    if not policy.admits(address, _host(parts.host)):
        raise Refused(f"{parts.host} is no public address.")
    return parts
