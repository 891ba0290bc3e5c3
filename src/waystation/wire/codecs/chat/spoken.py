"""What an answer has said so far, as far as the next part depends on it: the same for a stream and for a whole
answer."""

from io import StringIO
from typing import Any

import msgspec

from waystation.wire.canonical import Media, Part, Reasoning, Seal, Text, ToolCall
from waystation.wire.codecs.chat.seals import MOST_TEXT, before_its_part, seal_into_id, travels

_BETWEEN = "\n\n"


class Spoken:
    """The message has one text and one thought; parts of either that are not neighbours are paragraphs of it.
    Seals wait for the next tool call, whose id takes them along."""

    __slots__ = ("_apart", "_part", "_pending", "_text", "_words")

    def __init__(self) -> None:
        self._words: set[str] = set()
        """Which fields have words in them."""
        self._apart = False
        """Another part stood behind the last text."""
        self._pending: list[Reasoning] = []
        self._part: Reasoning | None = None
        self._text = StringIO()

    def start(self, part: Part) -> str:
        """What to say before the words of this part."""
        self._part = None
        if isinstance(part, Reasoning):
            self._part = part
            self._text = StringIO()
            glue = _BETWEEN if "reasoning" in self._words else ""
            self._apart = True
            return glue
        if isinstance(part, Text):
            # A seal for the next part is for no other.
            self._pending = [one for one in self._pending if not before_its_part(one)]
            field = "refusal" if part.refusal else "content"
            glue = _BETWEEN if self._apart and field in self._words else ""
            self._words.add(field)
            self._apart = False
            return glue
        self._apart = True
        return ""

    def heard(self, text: str) -> None:
        """Words of the open part."""
        if self._part is not None:
            self._words.add("reasoning")
            if self._text.tell() <= MOST_TEXT:
                self._text.write(text)

    def end(self, seal: Seal | None) -> None:
        part = self._part
        if part is None:
            return
        self._part = None
        whole = msgspec.structs.replace(part, text=self._text.getvalue(), seal=seal or part.seal)
        if travels(whole):
            self._pending.append(whole)

    def call_id(self, call: ToolCall) -> str:
        """The id that the tool gets: with the seals that came before the call."""
        if not self._pending:
            return call.id
        pending, self._pending = self._pending, []
        return seal_into_id(call.id, pending)


def image(part: Media) -> dict[str, Any]:
    """A picture of the model's, where OpenRouter has it."""
    url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
    return {"type": "image_url", "image_url": {"url": url}}
