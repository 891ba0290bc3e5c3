"""What a request may cost at most, before it is sent: what a budget holds for it meanwhile."""

from waystation.pricing.rates import Rates


def worst_nano(rates: Rates, prompt: int, output: int) -> int:
    """Nano-dollars, rounded up, if every prompt token is billed at the dearest of its rates (nothing says yet which
    of them will be written to a cache) and the answer is as long as it may be. 0 only where all is free.

    Not in it: searches that the provider runs, and a dearer service tier than the standard one.
    """
    for above, dearer in rates.long_context:
        if prompt > above:
            rates = dearer
            break
    dearest = rates.input  # `max` of four would cost as much as all the rest, and this is for each request
    if rates.cache_write_5m > dearest:
        dearest = rates.cache_write_5m
    if rates.cache_write_1h > dearest:
        dearest = rates.cache_write_1h
    if rates.cache_read > dearest:
        dearest = rates.cache_read
    dear = rates.output if rates.output >= rates.reasoning else rates.reasoning
    pico = prompt * dearest + output * dear + rates.request
    return -(-pico // 1000)
