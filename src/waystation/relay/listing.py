"""Asks a provider for its list of models, page by page."""

import asyncio
from collections.abc import Iterable

import msgspec

from waystation.model import ListedModel, Provider
from waystation.policy import Endpoint
from waystation.relay.core import Credential
from waystation.relay.fetch import NoAnswer, fetch
from waystation.relay.pool import UpstreamPools
from waystation.wire import FIRST_PAGE, NotAList, read_list


class ListingBounds(msgspec.Struct, frozen=True):
    """How long and how much one list may be. Times in seconds, sizes in bytes."""

    page_within: float = 15.0
    page_at_most: int = 16 * 1024 * 1024
    """OpenRouter's is one of the longest: some 2 MB."""
    pages: int = 50
    models: int = 10_000


async def list_models(
    pools: UpstreamPools,
    provider: Provider,
    endpoints: Iterable[Endpoint],
    credential: Credential,
    bounds: ListingBounds | None = None,
) -> tuple[ListedModel, ...]:
    """All that the provider lists at these addresses, each model once. Raises NoAnswer: half a list is none."""
    bounds = bounds or ListingBounds()
    found: dict[str, ListedModel] = {}
    for endpoint in endpoints:
        query = FIRST_PAGE.get(endpoint.wire, b"")
        for _ in range(bounds.pages):
            answer = await fetch(
                pools,
                endpoint,
                query,
                credential=credential,
                verify=provider.verify_tls,
                within=bounds.page_within,
                at_most=bounds.page_at_most,
            )
            if answer.status != 200:
                raise NoAnswer(f"it answered {answer.status}")
            try:
                # In a thread: the largest lists take some 20 ms to read, in which no stream would move.
                page = await asyncio.to_thread(read_list, endpoint.wire, answer.body)
            except NotAList as bad:
                raise NoAnswer(str(bad)) from None
            for model in page.models:
                found.setdefault(model.id, model)
            if len(found) > bounds.models:
                raise NoAnswer(f"it lists more than {bounds.models} models")
            if not page.following or page.following == query:
                break
            query = page.following
        else:
            raise NoAnswer(f"its list has more than {bounds.pages} pages")
    return tuple(found.values())
