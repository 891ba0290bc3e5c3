"""Our ledger against what providers say: drift per provider, model and day."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from waystation.billing.books import Books
from waystation.billing.reports import Report, Stated

_DATED = re.compile(r"[-@]\d{4}-?\d{2}-?\d{2}$|[-@](latest|default)$|-v\d+(:\d+)?$")
_REGIONAL = re.compile(r"^(us|eu|apac|global|au|jp)\.")
_VENDOR_PREFIX = re.compile(r"^(anthropic|openai|google|models|publishers/google/models)[./]")
_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_TELLING = frozenset(
    {"lite", "nano", "mini", "live", "tts", "pro", "flash", "opus", "sonnet", "haiku", "ultra", "codex"}
)
"""Words that make it another model: one in the description must be in the model's name."""
_TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
Key = tuple[str, str, dt.date]


class Side(msgspec.Struct):
    """Sums of one side; None where it says nothing."""

    cost_nano: int | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None

    def add(self, other: "Side | Stated") -> None:
        for name in ("cost_nano", *_TOKENS):
            more = getattr(other, name)
            if more is not None:
                setattr(self, name, (getattr(self, name) or 0) + more)


class Drift(msgspec.Struct):
    """One provider's model on one day (UTC)."""

    vendor: str
    model: str
    """Empty: all models together, for that is all that the provider says of that day."""
    day: dt.date
    ours: Side
    list_nano: int
    """Ours by the price list; `ours.cost_nano` is what is billed."""
    our_rows: int
    theirs: Side
    sources: list[str]
    """`file:line` of each of their rows."""

    @property
    def cost_drift(self) -> int | None:
        """Theirs less ours; None where they state no cost."""
        theirs = self.theirs.cost_nano
        return None if theirs is None else theirs - (self.ours.cost_nano or 0)

    def token_drift(self, name: str) -> int | None:
        theirs = getattr(self.theirs, name)
        return None if theirs is None else theirs - (getattr(self.ours, name) or 0)


def compare(books: Books, reports: Sequence[Report], accounts: Sequence[str] = ()) -> list[Drift]:
    """Every provider, model and day that the reports cover, by day. `accounts` limits our side to these providers."""
    days = {day for report in reports for day in report.days}
    if not days:
        return []
    ours = _ours(books, min(days), max(days) + dt.timedelta(days=1), accounts)
    covered = {(report.vendor, day) for report in reports for day in report.days}
    ours = {key: drift for key, drift in ours.items() if (key[0], key[2]) in covered}
    names: dict[str, set[str]] = {}
    for vendor, model, _ in ours:
        names.setdefault(vendor, set()).add(model)
    stated = [
        ((report.vendor, _model(row, names.get(report.vendor, set())), row.day), row, report.file)
        for report in reports
        for row in report.rows
    ]
    vague = {(vendor, day) for (vendor, model, day), _, _ in stated if not model}
    found: dict[Key, Drift] = {}
    for key, drift in ours.items():
        whole = _at(found, key, vague)
        whole.ours.add(drift.ours)
        whole.list_nano += drift.list_nano
        whole.our_rows += drift.our_rows
    for key, row, file in stated:
        whole = _at(found, key, vague)
        whole.theirs.add(row)
        whole.sources.append(f"{file}:{row.line}")
    return sorted(found.values(), key=lambda d: (d.day, d.vendor, d.model))


def canonical(model: str) -> str:
    """A model's id without what names the same model at another place or date: region, vendor, snapshot."""
    name = _REGIONAL.sub("", model.strip().lower())
    name = _VENDOR_PREFIX.sub("", name)
    while (shorter := _DATED.sub("", name)) != name:
        name = shorter
    return name


def _at(found: dict[Key, Drift], key: Key, vague: set[tuple[str, dt.date]]) -> Drift:
    vendor, model, day = key
    if (vendor, day) in vague:
        model = ""
    place = (vendor, model, day)
    if place not in found:
        found[place] = Drift(vendor, model, day, Side(), 0, 0, Side(), [])
    return found[place]


def _ours(books: Books, since: dt.date, before: dt.date, accounts: Sequence[str]) -> dict[Key, Drift]:
    where = books.prepare(since, before)
    sums = (
        "coalesce(sum(input_tokens), 0), coalesce(sum(cache_read_tokens), 0), "
        "coalesce(sum(cache_write_5m_tokens), 0) + coalesce(sum(cache_write_1h_tokens), 0), "
        "coalesce(sum(output_tokens), 0)"
    )
    # What was rated again counts on the day of the attempt, for it is the provider's day that we are held against.
    rows = books.query(
        "SELECT coalesce(provider, ''), coalesce(upstream_model, ''), date, count(*), "  # noqa: S608 - names of ours
        f"coalesce(sum(list_nano), 0), coalesce(sum(billed_nano), 0), {sums} FROM bill_usage "
        f"WHERE {where} AND usage_source <> 'absent' AND operation IN ('generate', 'embed') GROUP BY ALL "
        "UNION ALL SELECT coalesce(provider, ''), coalesce(upstream_model, ''), date, 0, "
        f"sum(list_nano), sum(billed_nano), 0, 0, 0, 0 FROM bill_corrections WHERE {where} GROUP BY ALL"
    )
    found: dict[Key, Drift] = {}
    for provider, model, day, count, listed, billed, *tokens in rows:
        if accounts and provider not in accounts:
            continue
        key = (_vendor(books, provider), canonical(model), day)
        drift = found.setdefault(key, Drift(*key, Side(), 0, 0, Side(), []))
        drift.ours.add(Side(int(billed), *map(int, tokens)))
        drift.list_nano += int(listed)
        drift.our_rows += int(count)
    return found


def _vendor(books: Books, provider: str) -> str:
    known = books.providers.get(provider)
    return provider if known is None else known.kind


def _model(row: Stated, names: Iterable[str]) -> str:
    """The model that a row is about, by the name that our ledger has for it where that can be told."""
    if row.exact:
        return canonical(row.model)
    words = _WORD.findall(row.model.lower())
    fitting = [name for name in names if name and _fits(_WORD.findall(name), words)]
    return max(fitting, key=lambda name: (len(name), name), default=row.model)


def _fits(name: Sequence[str], words: Sequence[str]) -> bool:
    mine = _joined(name)
    theirs = _joined(words)
    return mine <= theirs and not (_TELLING & theirs) - mine


def _joined(words: Sequence[str]) -> set[str]:
    """Words, with `4` and `5` behind each other also as `4.5`: names have hyphens where descriptions have points."""
    found = [
        f"{word}.{words[i + 1]}"
        if word.isdecimal() and i + 1 < len(words) and words[i + 1].isdecimal()
        else word
        for i, word in enumerate(words)
        if not (i and word.isdecimal() and words[i - 1].isdecimal())
    ]
    return set(found)


def summary(found: Sequence[Drift]) -> Mapping[str, Any]:
    """Sums by vendor of what they state a cost for."""
    sums: dict[str, list[int]] = {}
    for drift in found:
        if drift.theirs.cost_nano is not None:
            both = sums.setdefault(drift.vendor, [0, 0])
            both[0] += drift.ours.cost_nano or 0
            both[1] += drift.theirs.cost_nano
    return {
        vendor: {"ours_nano": ours, "theirs_nano": theirs, "drift_nano": theirs - ours}
        for vendor, (ours, theirs) in sorted(sums.items())
    }
