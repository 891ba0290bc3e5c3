"""The real coding tools through `way` and a real gateway. `./test` installs the tools; nothing here is mocked.

`defaults` is a gateway as a newcomer starts it. `gateway` is one whose provider is a rehearsal server of the
test's own (`provider`), so that a test can script faults and count what arrived.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.laptop import ALL_TOOLS, TOOLS, TOOLS_BIN, Laptop, Tool
from tests.gateway import RunningGateway, running_gateway

from waystation import policy
from waystation.rehearsal import RehearsalServer, rehearsal_thread


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [tool.binary for tool in ALL_TOOLS.values() if not os.access(TOOLS_BIN / tool.binary, os.X_OK)]
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.clients)
        item.add_marker(pytest.mark.timeout(100))
        if missing:
            reason = f"THE REAL TOOLS ARE NOT INSTALLED ({', '.join(missing)} missing): run ./test, which gets them"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(params=list(TOOLS))
def tool(request: pytest.FixtureRequest) -> Tool:
    return TOOLS[request.param]


@pytest.fixture(params=list(ALL_TOOLS))
def any_tool(request: pytest.FixtureRequest) -> Tool:
    return ALL_TOOLS[request.param]


@pytest.fixture(scope="session")
def defaults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("defaults") / "data") as started:
        yield started


@pytest.fixture(scope="session")
def _provider() -> Iterator[RehearsalServer]:
    with rehearsal_thread(keyless=True) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(_provider: RehearsalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("gateway")
    document = folder / "policy.yaml"
    # Without pauses the gateway makes nothing good by itself on its one route: the tools are to meet the faults.
    document.write_text(policy.default_policy({}, _provider.url) + "\nrouting: {patience: 0}\n")
    with running_gateway(folder / "data", "--policy", str(document)) as started:
        yield started


@pytest.fixture
def provider(_provider: RehearsalServer) -> RehearsalServer:
    """The provider behind `gateway`, with no script and nothing received."""
    _provider.rehearsal.prompter.clear()
    _provider.requests.clear()
    return _provider


@pytest.fixture
def laptop(tmp_path: Path, gateway: RunningGateway) -> Laptop:
    """Signed in to `gateway`."""
    there = Laptop(tmp_path / "home", gateway)
    there.sign_in()
    return there
