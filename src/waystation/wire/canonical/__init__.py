"""The one conversation that every protocol is read into and written from.

N codecs, not N² translators: a codec (`waystation.wire.codecs`) knows one protocol and this room; what one
protocol can say and another cannot is settled here, in `waystation.wire.translate`, once.

`conversation` is what is asked, `parts` is what both sides say, `events` is an answer as it comes.
"""

from waystation.wire.canonical.conversation import (
    Conversation,
    CustomTool,
    Effort,
    FunctionTool,
    OutputFormat,
    Role,
    ServerTool,
    Thinking,
    Tool,
    ToolChoice,
    Turn,
)
from waystation.wire.canonical.events import (
    Delta,
    Event,
    Failed,
    Finish,
    PartEnd,
    PartStart,
    Reply,
    Started,
    StopReason,
)
from waystation.wire.canonical.parts import (
    CacheMark,
    Media,
    MediaKind,
    Native,
    Part,
    Reasoning,
    ResultPart,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)

__all__ = [
    "CacheMark",
    "Conversation",
    "CustomTool",
    "Delta",
    "Effort",
    "Event",
    "Failed",
    "Finish",
    "FunctionTool",
    "Media",
    "MediaKind",
    "Native",
    "OutputFormat",
    "Part",
    "PartEnd",
    "PartStart",
    "Reasoning",
    "Reply",
    "ResultPart",
    "Role",
    "Seal",
    "ServerTool",
    "Started",
    "StopReason",
    "Text",
    "Thinking",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Turn",
]
