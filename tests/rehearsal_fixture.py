"""A running rehearsal provider for any test: `from tests.rehearsal_fixture import rehearsal` in a test module.

The provider listens on a free loopback port in the test's own event loop and stops with the test.
"""

from collections.abc import AsyncIterator

import pytest_asyncio

from waystation.rehearsal import RehearsalServer


@pytest_asyncio.fixture
async def rehearsal() -> AsyncIterator[RehearsalServer]:
    """`rehearsal.url`, `rehearsal.requests`; `rehearsal.play(Step(...))` scripts what comes next."""
    async with RehearsalServer(port=0) as server:
        yield server
