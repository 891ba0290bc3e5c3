"""A gateway's address: what is accepted, and what it is made into."""

from __future__ import annotations

from urllib.parse import urlsplit

from way.errors import UsageError


def is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


def normal(address: str, *, insecure_http: bool = False) -> str:
    """`https://gateway.example[:port][/prefix]` without a trailing slash, from what a person typed.

    Without a scheme it is https, on this machine http. Plain http to another machine is refused unless
    `insecure_http`: the tokens and every prompt would travel readable.
    """
    text = address.strip()
    try:
        if "://" not in text:
            host = urlsplit(f"//{text}").hostname or ""
            text = f"{'http' if is_loopback(host) else 'https'}://{text}"
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        raise UsageError(f"{address!r} is not an address; give one like https://gateway.example.") from None
    if parts.scheme not in ("http", "https") or not host or any(c in text for c in " \"'\\<>`\n\r\t"):
        raise UsageError(f"{address!r} is not an address; give one like https://gateway.example.")
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError("Give the gateway's address without a user name, `?` or `#`.")
    if parts.scheme == "http" and not is_loopback(host) and not insecure_http:
        raise UsageError(
            f"{parts.scheme}://{host} is not encrypted: everybody on the way could read your tokens and prompts. "
            "Use https, or say --insecure-http if this network is yours alone."
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{port}{parts.path.rstrip('/')}"


def split_welcome(link: str) -> tuple[str, str]:
    """(gateway's address, the link) for a one-time link `https://gateway/welcome/CODE`; ("", "") for others."""
    gateway, found, code = link.strip().partition("/welcome/")
    return (gateway, link.strip()) if found and code else ("", "")
