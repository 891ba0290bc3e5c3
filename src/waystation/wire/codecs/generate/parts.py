"""What the two directions of a request share: names of fields, media, ids of calls.

The API takes every field in camelCase (its JSON name) and in snake_case (its proto name), and tools send both.
"""

import base64
import binascii
from typing import Any
from urllib.parse import unquote_to_bytes

from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Media, MediaKind

Json = dict[str, Any]

UNNAMED = "gmcall_"
"""Begins the id of a call that Gemini gave none. It goes back to Gemini without one."""

OF_CANDIDATE = ("groundingMetadata", "urlContextMetadata", "citationMetadata")
"""What an answer says beside its parts. Here each is a Native of that kind, whose `raw` has one field."""

_URL_SAFE_TO_STANDARD = str.maketrans("-_", "+/")
_TEXT_PLAIN = "text/plain"
_KINDS = {"image": MediaKind.IMAGE, "audio": MediaKind.AUDIO, "video": MediaKind.VIDEO}
_BY_ENDING = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
_BY_KIND = {
    MediaKind.IMAGE: "image/png",
    MediaKind.DOCUMENT: "application/pdf",
    MediaKind.AUDIO: "audio/wav",
    MediaKind.VIDEO: "video/mp4",
}


def snake(camel: str) -> str:
    """`functionCall` → `function_call`."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in camel)


_SNAKE = {
    name: snake(name)
    for name in (
        "systemInstruction",
        "generationConfig",
        "toolConfig",
        "safetySettings",
        "cachedContent",
        "serviceTier",
        "generateContentRequest",
        "functionCallingConfig",
        "allowedFunctionNames",
        "functionDeclarations",
        "parametersJsonSchema",
        "thoughtSignature",
        "functionCall",
        "functionResponse",
        "inlineData",
        "fileData",
        "mimeType",
        "fileUri",
        "displayName",
        "executableCode",
        "codeExecutionResult",
        "topP",
        "topK",
        "maxOutputTokens",
        "stopSequences",
        "candidateCount",
        "presencePenalty",
        "frequencyPenalty",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "thinkingConfig",
        "thinkingBudget",
        "thinkingLevel",
        "includeThoughts",
    )
}


def field(source: Json, name: str) -> Any:
    """A field by its camelCase name, whichever way it is spelled; None where there is none."""
    value = source.get(name)
    return value if value is not None else source.get(_SNAKE.get(name, name))


def pop(source: Json, name: str) -> Any:
    """The same, taken out."""
    value = source.pop(name, None)
    other = source.pop(_SNAKE[name], None) if name in _SNAKE else None
    return value if value is not None else other


def camel(name: str) -> str:
    """`function_call` → `functionCall`; a name that is camelCase already stays."""
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def read_inline(blob: Any, param: str) -> Media:
    """`inlineData`: base64 of either alphabet, since Google's Python SDK sends the URL-safe one."""
    if not isinstance(blob, dict) or not isinstance(blob.get("data"), str):
        raise BadBody(f"The field '{param}' needs a string 'data' of base64.", param=param)
    mime = field(blob, "mimeType")
    media_type = mime if isinstance(mime, str) else ""
    name = field(blob, "displayName")
    data = blob["data"]
    if "-" in data or "_" in data:
        data = data.translate(_URL_SAFE_TO_STANDARD)
    data += "=" * (-len(data) % 4)
    if media_type == _TEXT_PLAIN:
        try:
            data = base64.b64decode(data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise BadBody(f"The text in '{param}.data' is not base64 of UTF-8.", param=param) from None
    return Media(_kind(media_type), media_type, data=data, name=name if isinstance(name, str) else "")


def read_file(file: Any, param: str) -> Media:
    """`fileData`: a public address, or a file that the tool put at Google."""
    uri = field(file, "fileUri") if isinstance(file, dict) else None
    if not isinstance(uri, str) or not uri:
        raise BadBody(f"The field '{param}' needs a string 'fileUri'.", param=param)
    mime, name = field(file, "mimeType"), field(file, "displayName")
    media_type = mime if isinstance(mime, str) else ""
    label = name if isinstance(name, str) else ""
    own = "googleapis.com/" in uri or not uri.startswith(("https://", "http://"))
    if own:
        return Media(_kind(media_type), media_type, file_id=uri, name=label)
    return Media(_kind(media_type), media_type, url=uri, name=label)


def write_media(media: Media) -> Json | None:
    """The part, without what a part has beside its data; None where Gemini has no such thing."""
    if media.data:
        data = media.data
        if media.media_type == _TEXT_PLAIN:
            data = base64.b64encode(data.encode()).decode()
        return {"inlineData": {"mimeType": media.media_type or _BY_KIND[media.kind], "data": data}}
    address = media.url or media.file_id
    if address.startswith("data:"):
        head, _, data = address[5:].partition(",")
        if not head.endswith(";base64"):
            data = base64.b64encode(unquote_to_bytes(data)).decode()
        return {"inlineData": {"mimeType": head.partition(";")[0] or _BY_KIND[media.kind], "data": data}}
    if not address.startswith(("https://", "gs://")):
        return None  # http is not fetched, and an id of another provider means nothing here
    ending = address.partition("?")[0].rpartition(".")[2].lower()
    media_type = media.media_type or _BY_ENDING.get(ending, _BY_KIND[media.kind])
    return {"fileData": {"mimeType": media_type, "fileUri": address}}


def _kind(media_type: str) -> MediaKind:
    return _KINDS.get(media_type.partition("/")[0], MediaKind.DOCUMENT)
