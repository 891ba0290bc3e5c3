"""Which network addresses may be connected to. Pure, save for `resolve`, which asks the resolver."""

import ipaddress
import socket
from enum import StrEnum

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")
)
"""Where clouds hand out the credentials of the machine itself."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Reach(StrEnum):
    """How far a request may go."""

    PUBLIC = "public"
    """Only to addresses of the public internet."""
    PRIVATE = "private"
    """Also to the company's own network and to this machine. Never to link-local or metadata addresses."""


class Refused(Exception):
    """The address is not one that may be connected to. The message names the host."""


def resolve(host: str, port: int, reach: Reach) -> str:
    """The one address to connect to. Refuses a name if any of its addresses is refused. Blocks for the resolver."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Refused(f"{host} is not a name that can be found.") from None
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    for address in addresses:
        if not allowed(address, reach):
            raise Refused(f"{host} leads to {address}, which the gateway does not connect to.")
    return addresses[0]


def allowed(address: str, reach: Reach) -> bool:
    ip = _plain(ipaddress.ip_address(address))
    if ip in _METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    if reach is Reach.PRIVATE and (ip.is_private or ip.is_loopback):
        return True
    return ip.is_global and not ip.is_reserved


def _plain(ip: _Address) -> _Address:
    """The IPv4 address that an IPv6 one only wraps."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip.sixtofour is not None:
            return ip.sixtofour
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip
