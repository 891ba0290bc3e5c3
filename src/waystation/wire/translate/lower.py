"""A conversation as one target takes it: everything that depends on the pair of protocols, or on the history.

After this, a codec only has to write down what it is given.
"""

from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    Effort,
    FunctionTool,
    Media,
    Native,
    Part,
    Reasoning,
    ResultPart,
    Role,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from waystation.wire.codecs import Notes, Target
from waystation.wire.translate import caching, custom, seals
from waystation.wire.translate.fields import called
from waystation.wire.translate.ids import CallIds
from waystation.wire.translate.media import shown
from waystation.wire.translate.names import Names, Origin
from waystation.wire.translate.pairing import pair
from waystation.wire.translate.room import fitting_output

_OPENAI = frozenset((Wire.RESPONSES, Wire.CHAT))
_CLAUDES = frozenset((Wire.MESSAGES, Wire.CONVERSE))
_USER_FIRST = frozenset((Wire.MESSAGES, Wire.CONVERSE, Wire.GENERATE))
_EMPTY = Turn(Role.USER, (Text("(empty)"),))
"""Where somebody must have said something (E78)."""
_OFF = Thinking(effort=Effort.NONE, budget=0)
_LONGEST_ABOUT = 300
_MEANS_NOTHING = frozenset(("eager_input_streaming",))
"""Fields of tools that only say how their calls are to be streamed."""
_SHARED_EXTRAS = {(Wire.MESSAGES, Wire.CONVERSE): ("anthropic_beta",)}


class Lowered(msgspec.Struct, frozen=True):
    """A conversation for a target, and what must be known to read the answer."""

    conversation: Conversation
    names: Names


def lower(conversation: Conversation, source: Wire, target: Target, notes: Notes) -> Lowered:
    """The conversation for `target`; `notes` takes what is left out and changed, in words of `source`."""
    names = Names(target.wire)
    if source is target.wire:
        return Lowered(_own_protocol(conversation, target, notes), names)
    return Lowered(_Lowering(conversation, source, target, names, notes).run(), names)


def _own_protocol(conversation: Conversation, target: Target, notes: Notes) -> Conversation:
    """Nothing is lost in its own protocol but seals of other providers, which it would refuse (E21)."""
    turns = []
    for turn in conversation.turns:
        parts: list[Part] = []
        for part in turn.parts:
            if isinstance(part, Reasoning) and part.seal is not None and part.seal.provider:
                mine = seals.replayed(part, target)
                if mine is None:
                    notes.drop(called("thoughts", target.wire))
                else:
                    parts.append(mine)
            else:
                parts.append(part)
        if parts:
            turns.append(Turn(turn.role, tuple(parts)))
    return msgspec.structs.replace(conversation, turns=tuple(turns))


class _Lowering:
    """One conversation on its way to one target."""

    def __init__(
        self, conversation: Conversation, source: Wire, target: Target, names: Names, notes: Notes
    ) -> None:
        self._asked = conversation
        self._source = source
        self._target = target
        self._wire = target.wire
        self._names = names
        self._notes = notes
        replayed = (
            part.id for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)
        )
        self._ids = CallIds(target.wire, replayed)

    def run(self) -> Conversation:
        asked = self._asked
        tools = self._tools()
        choice = self._choice(tools)
        turns = self._turns()
        system: tuple[Text, ...] = tuple(text for text in asked.system if text.text)
        if caching.wanted(self._source, self._wire, self._target.capabilities):
            tools, system, turns = caching.mark(tools, system, turns)
        changes: dict[str, Any] = {
            "model": self._target.model,
            "system": system,
            "turns": turns,
            "tools": tools,
            "tool_choice": choice,
            "parallel_tools": asked.parallel_tools if tools else None,
            "max_output": fitting_output(asked, self._target.capabilities, self._source, self._notes),
            "thinking": self._thinking(choice, turns),
            "extras": self._extras(),
        }
        if asked.service_tier and not {self._source, self._wire} <= _OPENAI:
            changes["service_tier"] = ""
            self._drop("service_tier")
        if asked.format is not None and self._target.capabilities.structured_output is False:
            changes["format"] = None
            self._drop("format")
        return msgspec.structs.replace(asked, **changes)

    def _drop(self, field: str) -> None:
        self._notes.drop(called(field, self._source))

    def _extras(self) -> dict[str, Any]:
        shared = _SHARED_EXTRAS.get((self._source, self._wire), ())
        for name in self._asked.extras:
            if name not in shared:
                self._notes.drop(name)
        return {name: self._asked.extras[name] for name in shared if name in self._asked.extras}

    # ---------------------------------------------------------------- tools
    def _tools(self) -> tuple[Tool, ...]:
        if self._target.capabilities.tools is False:
            if self._asked.tools:
                self._notes.drop("tools")
            return ()
        lowered = []
        described: set[str] = set()
        for tool in self._asked.tools:
            if isinstance(tool, ServerTool):
                self._notes.drop(f"tools.{tool.kind}")
                continue
            as_function = isinstance(tool, CustomTool) and self._wire is not Wire.RESPONSES
            name = self._names.declare(Origin(tool.name, tool.namespace, isinstance(tool, CustomTool)))
            if name is None:
                continue
            for field in sorted(tool.extras.keys() - _MEANS_NOTHING):
                self._notes.drop(f"tools.{field}")
            about = (
                custom.description(tool) if isinstance(tool, CustomTool) and as_function else tool.description
            )
            if tool.namespace and self._names.flat:
                about = _with_namespace(tool, about, described)
            lowered.append(self._tool(tool, name, about, as_function=as_function))
        return tuple(lowered)

    def _tool(self, tool: FunctionTool | CustomTool, name: str, about: str, *, as_function: bool) -> Tool:
        if as_function:
            return FunctionTool(name, about, custom.PARAMETERS)
        if name == tool.name and not tool.namespace and not tool.extras:
            return tool
        if self._names.flat:
            return msgspec.structs.replace(
                tool, name=name, description=about, namespace="", namespace_description="", extras={}
            )
        return msgspec.structs.replace(tool, name=name, extras={})

    def _choice(self, tools: tuple[Tool, ...]) -> ToolChoice | None:
        """The choice among what is left of the tools. One that must be, and is not there, cannot be forced."""
        choice = self._asked.tool_choice
        if choice is None or not tools:
            return None
        if choice.mode not in ("named", "allowed"):
            return choice
        known = (self._names.known(choice.namespace, name) for name in choice.names)
        names = tuple(dict.fromkeys(name for name in known if name is not None))
        if len(names) < len(choice.names) or not names:
            self._drop("tool_choice")
        namespace = "" if self._names.flat else choice.namespace
        if not names:
            return None if choice.mode == "named" else ToolChoice("none")
        return ToolChoice(choice.mode, names, choice.required, namespace)

    def _thinking(self, choice: ToolChoice | None, turns: tuple[Turn, ...]) -> Thinking | None:
        """An explicit choice of a tool wins over thinking, where a model cannot do both (E103)."""
        asked, capabilities = self._asked.thinking, self._target.capabilities
        if asked is None or asked.budget == 0 or asked.effort is Effort.NONE:
            return asked
        if capabilities.thinking == "none":
            self._drop("thinking")
            return None
        forced = choice is not None and (choice.mode in ("any", "named") or choice.required)
        both = capabilities.forced_tools_with_thinking
        cannot = forced and (both is False or (both is None and self._wire in _CLAUDES))
        # The Messages codec knows by itself when a model that thinks by budget must not.
        if self._wire is Wire.CONVERSE and capabilities.thinking == "budget":
            cannot = cannot or _answers_thoughtless_calls(turns)
        if cannot:
            self._drop("thinking")
            return _OFF
        return asked

    # ---------------------------------------------------------------- turns
    def _turns(self) -> tuple[Turn, ...]:
        kept = []
        for turn in self._asked.turns:
            parts = self._parts(turn)
            if parts:
                kept.append(Turn(turn.role, parts))
        turns = pair(kept, self._call, self._notes)
        if not turns:
            return (_EMPTY,)
        if self._wire in _USER_FIRST:
            first = next((turn.role for turn in turns if turn.role is not Role.SYSTEM), None)
            if first is not Role.USER:
                turns.insert(0, _EMPTY)
        return tuple(turns)

    def _parts(self, turn: Turn) -> tuple[Part, ...]:
        """What is left of a turn; most often all of it."""
        kept: list[Part] = []
        for part in turn.parts:
            if type(part) is Text:
                if part.text:
                    kept.append(part)
            elif type(part) is ToolCall:
                kept.append(part)
            elif type(part) is ToolResult:
                kept.append(self._result(part))
            elif isinstance(part, Reasoning):
                mine = seals.replayed(part, self._target)
                if mine is None:
                    self._drop("thoughts")
                else:
                    kept.append(mine)
            elif isinstance(part, Native):
                self._notes.drop(part.kind)
            elif isinstance(part, Media):
                kept.append(shown(part, self._target.capabilities, self._source, self._notes))
        return tuple(kept)

    def _result(self, result: ToolResult) -> ToolResult:
        content = result.content
        for piece in content:
            if type(piece) is not Text or not piece.text:
                break
        else:
            return result
        capabilities = self._target.capabilities
        pieces: list[ResultPart] = []
        for piece in content:
            if isinstance(piece, Media):
                pieces.append(shown(piece, capabilities, self._source, self._notes))
            elif piece.text:
                pieces.append(piece)
        return msgspec.structs.replace(result, content=tuple(pieces))

    def _call(self, call: ToolCall) -> ToolCall:
        as_function = call.custom and self._wire is not Wire.RESPONSES
        return ToolCall(
            self._ids.fit(call.id),
            self._names.fitted(call.namespace, call.name, custom=call.custom),
            custom.arguments(call.arguments) if as_function else call.arguments,
            "" if self._names.flat else call.namespace,
            call.custom and not as_function,
            call.cache,
        )


def _answers_thoughtless_calls(turns: tuple[Turn, ...]) -> bool:
    """Whether calls are being answered in whose turn no thoughts of the model come first: Claude then refuses a
    budget for more. They were another model's, or the tool lost them."""
    said = next((turn for turn in reversed(turns) if turn.role is Role.ASSISTANT), None)
    if said is None or isinstance(said.parts[0], Reasoning):
        return False
    return turns[-1] is not said and any(isinstance(part, ToolCall) for part in said.parts)


def _with_namespace(tool: FunctionTool | CustomTool, about: str, described: set[str]) -> str:
    """The tool's description, with that of its namespace: in each tool, or only in the first if it is long."""
    space = tool.namespace_description
    if not space or (len(space) > _LONGEST_ABOUT and tool.namespace in described):
        return about
    described.add(tool.namespace)
    return f"{about}\n\n{tool.namespace}: {space}" if about else f"{tool.namespace}: {space}"
