"""The key file, and what is derived from it.

One 32-byte master key lives outside the database (`<data>/master.key`, mode 0600), so that a leaked database
holds nothing that signs or decrypts. Nodes that share a database must share this file.
"""

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from waystation.store.errors import SealError

_NONCE_BYTES = 12


class MasterKey:
    """Derives one key a purpose, and seals small secrets. Its repr shows nothing."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise SealError("The master key file must hold exactly 32 bytes.")
        self._key = key

    def __repr__(self) -> str:
        return "MasterKey(hidden)"

    def derive(self, purpose: str) -> bytes:
        """32 bytes that belong to this purpose alone (HKDF-SHA256, RFC 5869)."""
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(self._key)

    def seal(self, plain: bytes, *, label: str) -> bytes:
        """AES-256-GCM; opens only under the same label, so sealed values cannot be swapped between rows."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self.derive("seal")).encrypt(nonce, plain, label.encode())

    def open(self, sealed: bytes, *, label: str) -> bytes:
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self.derive("seal")).decrypt(nonce, body, label.encode())
        except InvalidTag:
            raise SealError(
                "A stored secret does not open with this master.key: it belongs to another data directory."
            ) from None


def load_master_key(data: Path) -> MasterKey:
    """Reads `data/master.key`, or makes it. Safe when several processes start at once: one file wins."""
    path = data / "master.key"
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    fresh = data / f".master.key.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(32))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(fresh, path)  # fails if another process was first; never replaces
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return _read(path)


def _read(path: Path) -> MasterKey:
    key = path.read_bytes()
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise SealError(f"{path} can be read by others: run `chmod 600 {path}`.")
    return MasterKey(key)
