"""The models that providers list and a pattern of the policy lets people ask for, by name.

Discovery grants nothing: a name that is found here is one that the pattern would let pass unseen, to the same
places and for the same people. It only becomes known that it exists.
"""

from collections.abc import Callable, Iterable, Iterator

from waystation.policy.compiled import CompiledModel
from waystation.policy.known import Known

_MODEL = "{model}"


def find_models(
    patterns: Iterable[CompiledModel], meant: Callable[[str], CompiledModel | None], known: Known
) -> tuple[CompiledModel, ...]:
    """An exact model for each that a provider lists and that a pattern's route to it stands for.

    `meant`: which entry of the policy a name means; what does not mean this pattern is none of its models. Pattern
    by pattern, the newest first, else as the provider lists them.
    """
    found: list[CompiledModel] = []
    for pattern in patterns:
        names = dict.fromkeys(name for name in _names(pattern, known) if meant(name) is pattern)
        models = [pattern.named(name, known) for name in names]
        # What nothing here can be asked with would only lengthen every list.
        usable = [model for model in models if model.task != "other"]
        found += sorted(usable, key=lambda m: -m.entry.created)
    return tuple(found)


def _names(pattern: CompiledModel, known: Known) -> Iterator[str]:
    """What to ask for, so that a route of the pattern leads to a model that its provider lists."""
    for route in pattern.routes:
        before, template, after = route.model.partition(_MODEL)
        if not template or _MODEL in after:
            continue  # every name leads to one and the same model; or it stands in there twice
        for listed in known.catalogue.of(route.provider):
            middle = listed.id[len(before) : len(listed.id) - len(after)]
            if middle and before + middle + after == listed.id:
                yield middle
