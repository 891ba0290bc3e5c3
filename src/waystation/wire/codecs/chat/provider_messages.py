"""Turns, written as the messages of a provider's request."""

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import (
    Conversation,
    Media,
    Native,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.codecs.chat.content import BETWEEN, ContentWriter, Json
from waystation.wire.codecs.chat.seals import THOUGHT_FIELDS, extension_in
from waystation.wire.codecs.door import Notes, Target

_FAILED = "The tool failed and said nothing."
_SEE_BELOW = "[{kind}: see the next message of the user]"
_FROM_RESULT = "From the result of {name}:"
_MERELY_SYSTEM = "<system-reminder>\n{text}\n</system-reminder>"
_json_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class MessageWriter:
    """One system message first; every call's result in a message of its own, directly behind the calls
    (E72, E74); then what else the user said."""

    __slots__ = ("_content", "_fill", "_messages", "_notes", "_provider")

    def __init__(self, target: Target, content: ContentWriter, notes: Notes) -> None:
        self._content = content
        self._notes = notes
        self._provider = target.provider
        self._fill = ""
        """The field for thoughts that this provider wants on every call, or empty."""
        self._messages: list[Json] = []

    def write(self, conversation: Conversation) -> list[Json]:
        turns = conversation.turns
        self._fill = self._field_wanted(turns)
        if conversation.system:
            content = self._content.joined(list(conversation.system), BETWEEN)
            self._messages.append({"role": "system", "content": content})
        heard: list[Turn] = []
        for turn in turns:
            if turn.role is Role.ASSISTANT:
                self._user(heard)
                heard = []
                self._assistant(turn)
            else:
                heard.append(turn)
        self._user(heard)
        return self._messages

    def _field_wanted(self, turns: tuple[Turn, ...]) -> str:
        """DeepSeek refuses a history in which one of its calls lacks its thoughts (it has some without)."""
        for turn in turns:
            for part in turn.parts:
                if isinstance(part, Reasoning) and self._gave(part, THOUGHT_FIELDS[0]):
                    return THOUGHT_FIELDS[0]
        return ""

    def _gave(self, part: Reasoning, where: str) -> bool:
        seal = part.seal
        return (
            seal is not None
            and seal.wire is Wire.CHAT
            and seal.data == where
            and seal.provider in ("", self._provider)
        )

    def _user(self, turns: list[Turn]) -> None:
        """What was said between two answers: one message where the roles may have to alternate, and with
        instructions in it where only the first message may be the system's. The templates of most open
        models fail for anything else, and the whole request with them."""
        beside: list[Text | Media] = []
        """What stood in results but can only be shown in a message of the user."""
        for turn in turns:
            for part in turn.parts:
                if isinstance(part, ToolResult):
                    self._result(part, beside)
        message = _Message(beside)
        for turn in turns:
            if turn.role is Role.SYSTEM and not self._messages:
                self._messages.append({"role": "system", "content": self._instructions(turn)})
            elif turn.role is Role.SYSTEM and self._content.plain:
                text = self._instructions(turn)
                message.parts.append(Text(_MERELY_SYSTEM.format(text=text)))
            elif turn.role is Role.SYSTEM:
                message = self._say(message)
                self._messages.append({"role": "system", "content": self._instructions(turn)})
            else:
                self._heard(turn, message)
                if not self._content.plain:
                    message = self._say(message)
        self._say(message)

    def _heard(self, turn: Turn, message: "_Message") -> None:
        for part in turn.parts:
            if isinstance(part, Text | Media):
                if not isinstance(part, Text) or part.text:
                    message.parts.append(part)
            elif isinstance(part, Native):
                self._native(part, message.raw, message.fields)
            elif not isinstance(part, ToolResult):
                self._notes.drop(_kind(part))

    def _say(self, message: "_Message") -> "_Message":
        """Writes the message, if there is one; returns an empty one for what comes next."""
        if message.raw:
            content: str | list[Json] = [*map(self._content.part, message.parts), *message.raw]
        elif message.parts:
            content = self._content.message(message.parts)
        else:
            return message
        self._messages.append({"role": "user", "content": content, **message.fields})
        return _Message([])

    def _instructions(self, turn: Turn) -> str:
        return BETWEEN.join(part.text for part in turn.parts if isinstance(part, Text) and part.text)

    def _result(self, result: ToolResult, beside: list[Text | Media]) -> None:
        """A result is text, to most servers a string; what it shows goes `beside` it (E77)."""
        texts: list[Text] = []
        shown: list[Media] = []
        for part in result.content:
            if isinstance(part, Text):
                if part.text:
                    texts.append(part)
            elif self._content.shows(part):
                shown.append(part)
                texts.append(Text(_SEE_BELOW.format(kind=part.kind.value)))
            else:
                texts.append(Text(str(self._content.placeholder(part)["text"])))
        if shown:
            beside.append(Text(_FROM_RESULT.format(name=result.name or result.call_id)))
            beside.extend(shown)
        if result.is_error:
            self._notes.drop("is_error")
            texts = texts or [Text(_FAILED)]
        if result.cache is not None and texts:
            texts[-1] = msgspec.structs.replace(texts[-1], cache=result.cache)
        content = self._content.joined(texts, "\n")
        self._messages.append({"role": "tool", "tool_call_id": result.call_id, "content": content})

    def _assistant(self, turn: Turn) -> None:
        answer = _Answer()
        extension: Json = {}
        for part in turn.parts:
            if isinstance(part, Text):
                answer.text(part)
            elif isinstance(part, ToolCall):
                answer.calls.append({**self._call(part), **extension})
                extension = {}
            elif isinstance(part, Reasoning):
                extension = self._thought(part, answer) or extension
            elif isinstance(part, Native):
                self._native(part, answer.raw, answer.fields)
            else:  # pictures of its own, which it cannot be shown again; results on the wrong side
                self._notes.drop(_kind(part))
            answer.apart = answer.apart or not isinstance(part, Text)
        message = answer.message(self._content)
        if message is None:
            return
        if self._fill and answer.calls:
            message.setdefault(self._fill, "")
        self._messages.append(message)

    def _call(self, call: ToolCall) -> Json:
        self._content_mark(call)
        if call.custom:
            return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        function = {"name": call.name, "arguments": self._arguments(call.arguments)}
        return {"id": call.id, "type": "function", "function": function}

    def _content_mark(self, call: ToolCall) -> None:
        if call.cache is not None:  # there is no place for it on a call
            self._notes.drop("cache_control")

    def _arguments(self, text: str) -> str:
        """Some servers parse them for their template, and fail for a call that the model broke off."""
        if not text:
            return "{}"
        try:
            _json_object.decode(text)
        except (ValueError, RecursionError):
            self._notes.change("tool_calls.function.arguments")
            return msgspec.json.encode({"arguments": text}).decode()
        return text

    def _thought(self, part: Reasoning, answer: "_Answer") -> Json | None:
        """Thoughts go back where they came from, to whoever gave them, and are never words that it said
        (E24). Returns what is to be on the next call."""
        seal = part.seal
        if seal is not None and (seal.wire is not Wire.CHAT or seal.provider not in ("", self._provider)):
            self._notes.drop("reasoning")
            return None
        extension = None if seal is None else extension_in(seal)
        if isinstance(extension, dict):
            return {"extra_content": extension}
        if isinstance(extension, list):
            answer.fields.setdefault("reasoning_details", []).extend(extension)
        elif seal is None or seal.data in THOUGHT_FIELDS:
            answer.thought(THOUGHT_FIELDS[0] if seal is None else seal.data, part.text)
        elif seal.data == "thinking":
            if part.text:
                thinking = [{"type": "text", "text": part.text}]
                answer.raw.append({"type": "thinking", "thinking": thinking})
        else:
            self._notes.drop("reasoning")
        return None

    def _native(self, part: Native, raw: list[Json], fields: Json) -> None:
        """A content part, or a field of the message, as it came."""
        if part.wire is not Wire.CHAT:
            self._notes.drop(part.kind)
        elif part.raw.get("type") == part.kind:
            raw.append(part.raw)
        else:
            fields.update(part.raw)


class _Message:
    """One message of the user."""

    __slots__ = ("fields", "parts", "raw")

    def __init__(self, parts: list[Text | Media]) -> None:
        self.parts = parts
        self.raw: list[Json] = []
        self.fields: Json = {}


class _Answer:
    """One message of the model."""

    __slots__ = ("apart", "calls", "fields", "raw", "refusals", "texts")

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.refusals: list[str] = []
        self.raw: list[Json] = []
        self.calls: list[Json] = []
        self.fields: Json = {}
        self.apart = False
        """Something stood behind the last text."""

    def text(self, part: Text) -> None:
        if part.refusal:
            self.refusals.append(part.text)
        elif part.text:
            last = self.texts[-1] if self.texts else None
            if last is not None and last.cache is None:  # a string, for servers that take nothing else
                between = BETWEEN if self.apart else ""
                self.texts[-1] = msgspec.structs.replace(part, text=last.text + between + part.text)
            else:
                self.texts.append(part)
        self.apart = False

    def thought(self, field: str, text: str) -> None:
        before = self.fields.get(field)
        self.fields[field] = f"{before}{BETWEEN}{text}" if before and text else before or text

    def message(self, content: ContentWriter) -> Json | None:
        """None if there is nothing in it (E78)."""
        calls = [*self.fields.pop("tool_calls", []), *self.calls]
        if not self.texts and not self.refusals and not self.raw and not calls:
            return None
        message: Json = {"role": "assistant", "content": None}
        if self.raw:
            message["content"] = [*self.raw, *map(content.part, self.texts)]
        elif self.texts:
            message["content"] = content.joined(self.texts, "")
        if self.refusals:
            message["refusal"] = "".join(self.refusals)
        message.update(self.fields)
        if calls:
            message["tool_calls"] = calls
        return message


def _kind(part: Part) -> str:
    if isinstance(part, Media):
        return part.kind.value
    if isinstance(part, Native):
        return part.kind
    return {ToolCall: "tool_call", ToolResult: "tool_result", Reasoning: "reasoning"}.get(type(part), "text")
