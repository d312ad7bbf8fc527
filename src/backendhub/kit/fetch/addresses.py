"""Which IP addresses belong to the public internet: everything that IANA does not list as special, and not a tunnel.

The lists are our own because `ipaddress.is_global` differs between patch releases of Python, and because an address
that carries another one inside (mapped, NAT64, 6to4, Teredo) is a way around any list: all of those are special here.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# https://www.iana.org/assignments/iana-ipv4-special-registry, and the metadata address of a cloud that is not in it.
SPECIAL_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; metadata of Alibaba Cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # metadata of Azure
        "169.254.0.0/16",  # link-local; metadata of nearly every cloud
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
# Unicast addresses of the internet are in 2000::/3; loopback, ULA, link-local, multicast, mapped and NAT64 are not.
GLOBAL_6 = IPv6Network("2000::/3")
SPECIAL_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocols: Teredo, ORCHID, …
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


def is_public(address: Address) -> bool:
    """Whether an address is an ordinary one of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_4)
    return address in GLOBAL_6 and not any(address in network for network in SPECIAL_6)
