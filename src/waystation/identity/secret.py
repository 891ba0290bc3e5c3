"""Making bearer values, and the digests that are kept in their place."""

import hashlib
import secrets


def new_secret(prefix: str = "") -> str:
    """256 random bits, URL-safe. The prefix lets secret scanners recognise it."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """SHA-256: enough for values of 256 random bits, which nobody can guess from it."""
    return hashlib.sha256(secret.encode()).digest()
