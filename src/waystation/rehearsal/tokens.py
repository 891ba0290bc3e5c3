"""Counting tokens, and remembering which prompts were cached.

The rule: four bytes of UTF-8 are one token, rounded up. It is not any model's tokenizer, but it is plausible,
the same on each machine and easily checked by hand.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from waystation.model import Usage
from waystation.rehearsal.answer import Answer, Call, Finish, Text, Thinking
from waystation.rehearsal.ask import Ask, Part

SMALLEST_CACHED = 1024
"""Tokens below which no provider caches a prefix."""

OPENAI_STEP = 128
"""OpenAI's and Gemini's automatic caches match in steps of so many tokens."""

_LOOK_BACK = 20
"""Anthropic looks for an earlier entry in up to so many blocks before a breakpoint."""

_LIFETIME = {"5m": 300.0, "1h": 3600.0, "": 3600.0}


def tokens(text: str | bytes) -> int:
    return (len(text.encode() if isinstance(text, str) else text) + 3) // 4


def prompt_tokens(parts: Iterable[Part]) -> int:
    return (sum(len(p.data) for p in parts) + 3) // 4


def said_tokens(answer: Answer) -> tuple[int, int]:
    """(output, of which reasoning). At least one token is always generated."""
    output = reasoning = 0
    for said in answer.said:
        match said:
            case Text(text):
                output += tokens(text)
            case Thinking(text):
                reasoning += tokens(text)
            case Call():
                output += tokens(said.name) + tokens(said.arguments)
    return max(output + reasoning, 1), reasoning


class PromptCache:
    """What a provider remembers of prompts, by key and model. Bounded: the least used entry goes first."""

    def __init__(self, clock: Callable[[], float], size: int = 50_000) -> None:
        self._clock = clock
        self._size = size
        self._expiry: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Entries held, expired ones included."""
        return len(self._expiry)

    def _seen(self, digest: bytes) -> bool:
        """A hit makes the entry live on for its whole lifetime again."""
        entry = self._expiry.get(digest)
        if entry is None or entry[0] <= self._clock():
            return False
        self._expiry[digest] = (self._clock() + entry[1], entry[1])
        self._expiry.move_to_end(digest)
        return True

    def _write(self, digest: bytes, lifetime: float) -> None:
        self._expiry[digest] = (self._clock() + lifetime, lifetime)
        self._expiry.move_to_end(digest)
        while len(self._expiry) > self._size:
            self._expiry.popitem(last=False)

    def explicit(self, owner: bytes, parts: Sequence[Part]) -> Usage:
        """Anthropic: prefixes end at breakpoints. Read up to the longest one known, write up to the last.

        As published: with A what was read, B the highest 1-hour breakpoint after A and C the last breakpoint,
        B - A is written for an hour and C - B for five minutes.
        """
        total = prompt_tokens(parts)
        marks = [i for i, p in enumerate(parts) if p.ttl]
        if not marks:
            return Usage(input=total)
        digests, sizes = _prefixes(owner, parts)
        read = -1
        for mark in reversed(marks):
            read = next(
                (i for i in range(mark, max(mark - _LOOK_BACK, -1), -1) if self._seen(digests[i])), -1
            )
            if read >= 0:
                break
        read_to = sizes[read] if read >= 0 else 0
        new = [m for m in marks if m > read and sizes[m] >= SMALLEST_CACHED]
        for mark in new:
            self._write(digests[mark], _LIFETIME[parts[mark].ttl])
        hour_to = max((sizes[m] for m in new if parts[m].ttl == "1h"), default=read_to)
        last_to = max((sizes[m] for m in new), default=read_to)
        return Usage(
            input=total - last_to,
            cache_read=read_to,
            cache_write_1h=hour_to - read_to,
            cache_write_5m=last_to - hour_to,
        )

    def automatic(self, owner: bytes, parts: Sequence[Part], *, counts_writes: bool = False) -> Usage:
        """OpenAI and Gemini: any prefix of at least 1,024 tokens, in steps of 128."""
        prompt = b"".join(p.data for p in parts)
        total = (len(prompt) + 3) // 4
        hasher = hashlib.blake2b(owner, digest_size=16)
        digests: list[tuple[int, bytes]] = []
        start = 0
        for size in range(SMALLEST_CACHED, total + 1, OPENAI_STEP):
            hasher.update(prompt[start : size * 4])
            start = size * 4
            digests.append((size, hasher.digest()))
        read = 0
        for size, digest in reversed(digests):
            if self._seen(digest):
                read = size
                break
        written = read
        for size, digest in digests:
            if size > read:
                self._write(digest, _LIFETIME[""])
                written = size
        if not counts_writes:
            written = read
        return Usage(input=total - written, cache_read=read, cache_write_5m=written - read)


def _prefixes(owner: bytes, parts: Sequence[Part]) -> tuple[list[bytes], list[int]]:
    hasher = hashlib.blake2b(owner, digest_size=16)
    digests: list[bytes] = []
    sizes: list[int] = []
    length = 0
    for part in parts:
        hasher.update(part.data)
        hasher.update(b"\0")
        length += len(part.data)
        digests.append(hasher.digest())
        sizes.append((length + 3) // 4)
    return digests, sizes


def limited(answer: Answer, ask: Ask) -> None:
    """Apply the request's stop sequences and output limit to the answer, in place."""
    kept: list[Text | Thinking | Call] = []
    left = ask.max_output
    for said in answer.said:
        text = said.arguments if isinstance(said, Call) else said.text
        stop = next((s for s in ask.stop if s and s in text), None) if isinstance(said, Text) else None
        if stop is not None:
            text = text[: text.index(stop)]
        too_long = left is not None and tokens(text) > left
        if too_long:
            answer.finish = Finish.LENGTH
            if isinstance(said, Call):
                break
            text = text.encode()[: (left or 0) * 4].decode(errors="ignore")
        elif stop is not None:
            answer.finish, answer.stop_sequence = Finish.STOP_SEQUENCE, stop
        if text or isinstance(said, Call):
            kept.append(said if isinstance(said, Call) else type(said)(text))
        if too_long or stop is not None:
            break
        if left is not None:
            left -= tokens(text)
    answer.said = tuple(kept)
