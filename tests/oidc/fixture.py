"""A real OpenID Connect provider (npm `oidc-provider`) in a process of its own, and a browser that signs in there."""

import contextlib
import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

HERE = Path(__file__).parent
_NODE = HERE.parent / "clients" / "node_modules" / ".bin" / "node"


class OidcProvider:
    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def person(self, sub: str, **claims: Any) -> None:
        """The next sign-in is this person's, of whom the provider says `claims`; "" turns everybody away."""
        body = json.dumps({"sub": sub, **claims}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.issuer}/control", data=body), timeout=5).close()

    def policy(self, **more: Any) -> str:
        """The section `sign_in` that leads here, as YAML (which JSON is)."""
        spec = {
            "issuer": self.issuer,
            "client_id": "waystation",
            "client_secret": "env:OIDC_SECRET_OF_THE_TEST",
            "network": "private",
            "claims": {"groups": "groups", "cost_center": "cost_center"},
            **more,
        }
        return f"sign_in: {json.dumps(spec)}\n"

    def visit(self, location: str) -> str:
        """Follows a browser through the provider; returns the address that it sends the browser back to."""
        with httpx.Client(timeout=10, trust_env=False) as browser:
            while location.startswith(self.issuer):
                answer = browser.get(location)
                assert answer.is_redirect, answer.text
                location = str(httpx.URL(location).join(answer.headers["location"]))
        return location


@contextlib.contextmanager
def running_provider(redirect_uri: str) -> Iterator[OidcProvider]:
    node = str(_NODE) if _NODE.exists() else shutil.which("node")
    if node is None or not (HERE / "node_modules" / "oidc-provider").exists():
        pytest.skip("the identity provider of the tests is not installed: run ./test once")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [node, "provider.mjs", str(port), redirect_uri],
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(b"ready"), line
        yield OidcProvider(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)
