"""The published conformance suite (scim2-tester, by way of scim2-client) finds nothing."""

from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
from starlette.testclient import TestClient


def test_the_published_suite_finds_no_fault(scim: TestClient) -> None:
    results = check_server(SyncSCIMClient(scim))
    bad = [result for result in results if result.status in (Status.ERROR, Status.CRITICAL)]
    for result in bad:
        print(result.status, result.title, result.reason, result.data)
    assert not bad
    assert len([result for result in results if result.status is Status.SUCCESS]) > 50
