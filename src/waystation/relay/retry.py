"""When a request is tried again, and after how long."""

import random

from waystation.model import Routing


def pause_before(
    tries: int, waited: float, retry_after: int | None, rules: Routing, rng: random.Random
) -> float | None:
    """Seconds to wait before a route that has failed `tries` times is tried again; None for not at all.

    Exponential, with half of it at random, so that many who failed at once do not come back at once. What the
    provider asks for (`retry-after`) is waited for exactly if the patience left allows it; else the tool is told,
    which can wait longer than we may. `waited` is what the request has waited already.
    """
    left = rules.patience - waited
    if retry_after is not None:
        return float(retry_after) if retry_after <= left else None
    pause = rules.backoff * 2 ** min(tries - 1, 10) * (0.5 + 0.5 * rng.random())
    return pause if pause <= left else None
