"""A gateway's SCIM door with a provisioner's token, over HTTP."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.identity_fixture import BASE_URL
from waystation.identity import OPERATOR, Identity


@pytest.fixture
def token(home: Identity) -> str:
    return home.service.add_provisioner("Okta", by=OPERATOR)[1]


@pytest.fixture
def scim(home: Identity, token: str) -> TestClient:
    return TestClient(
        Starlette(routes=list(home.routes)),
        base_url=f"{BASE_URL}/scim/v2",
        headers={"authorization": f"Bearer {token}", "content-type": "application/scim+json"},
    )
