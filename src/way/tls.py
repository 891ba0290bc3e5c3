"""How way checks that a gateway is who it says."""

from __future__ import annotations

import os
import ssl


def client_context() -> ssl.SSLContext:
    """Verifies certificate and name against the system's authorities.

    A company's own authority is added from `WAY_CA_FILE`, or from `NODE_EXTRA_CA_CERTS`, which people have
    set already for the coding tools. (`SSL_CERT_FILE` is honoured by OpenSSL itself.)
    """
    context = ssl.create_default_context()
    for name in ("WAY_CA_FILE", "NODE_EXTRA_CA_CERTS"):
        path = os.environ.get(name)
        if path and os.path.isfile(path):
            context.load_verify_locations(cafile=path)
    return context
