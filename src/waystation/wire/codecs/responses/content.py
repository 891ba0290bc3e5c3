"""The parts of a message or of a tool's result: text, refusals, images, files, sounds."""

import base64
import binascii
from typing import Any, Literal

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import CacheMark, Media, MediaKind, Native, Part, ResultPart, Text
from waystation.wire.codecs.door import Notes
from waystation.wire.codecs.responses.fields import Json, compact, string

UNSEEN_IMAGE = "[An image was here; this model cannot see images.]"
UNSEEN_DOCUMENT = "[A document was here; this model cannot read documents.]"
SEALED_TEXT = "[Content that only the provider it came from can read.]"

_TEXT_TYPES = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_TYPE_BY_ENDING = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "md": "text/markdown",
    "html": "text/html",
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_IMAGE_STARTS = (
    ("iVBOR", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)


def read_content(value: Any, path: str) -> list[Part]:
    """The parts of a message's `content`: a string, or a list."""
    if isinstance(value, str):
        return [Text(value)] if value else []
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadBody(f"'{path}' must be a string or a list of parts.", param=path)
    parts: list[Part] = []
    for index, raw in enumerate(value):
        part = read_part(raw, f"{path}[{index}]")
        if part is not None:
            parts.append(part)
    return parts


def read_part(raw: Any, path: str) -> Part | None:
    """One part; None for an empty text (E78)."""
    if isinstance(raw, str):
        return Text(raw) if raw else None
    if not isinstance(raw, dict):
        raise BadBody(f"'{path}' must be an object with a type.", param=path)
    kind = raw.get("type")
    if isinstance(kind, str) and kind in _TEXT_TYPES:
        text = raw.get("text")
        if text is not None and not isinstance(text, str):
            raise BadBody(f"'{path}.text' must be a string.", param=f"{path}.text")
        return Text(text, cache=_cache(raw)) if text else None
    if kind == "refusal":
        words = raw.get("refusal")
        return Text(words, refusal=True) if isinstance(words, str) and words else None
    media = _read_media(kind, raw)
    return media if media is not None else Native(Wire.RESPONSES, str(kind), raw)


def read_output(value: Any, path: str) -> tuple[tuple[ResultPart, ...], bool]:
    """What a tool answered, and whether it said that it failed: `output` is a string or a list of parts; old
    versions of Codex sent an object with `success`."""
    if isinstance(value, dict):
        content = value.get("content")
        parts, _ = read_output(content if isinstance(content, str | list) else compact(value), path)
        return parts, value.get("success") is False
    if value is None or isinstance(value, str | list):
        return tuple(_as_result(part) for part in read_content(value, path)), False
    return (Text(compact(value)),), False


def write_part(part: Text | Media, vision: bool | None, documents: bool | None, notes: Notes) -> Json | None:
    """A part of what is said to the model; None where the protocol cannot say it."""
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text} if part.text else None
    if part.kind is MediaKind.IMAGE:
        if vision is False:
            notes.drop("image")
            return {"type": "input_text", "text": UNSEEN_IMAGE}
        return _write_image(part)
    if part.kind is MediaKind.DOCUMENT:
        if documents is False:
            notes.drop("document")
            return {"type": "input_text", "text": UNSEEN_DOCUMENT}
        return _write_file(part)
    notes.drop(part.kind.value)  # the protocol has no sounds and no films in what is said to a model
    return {"type": "input_text", "text": f"[Here was {part.kind.value} that cannot be sent to this model.]"}


def data_url(media: Media) -> str:
    """The URL that an image is written as."""
    if media.url or not media.data:
        return media.url
    kind = media.media_type or _image_type(media.data)
    return f"data:{kind};base64,{media.data}"


def split_data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 of a `data:` URL; None for any other."""
    if not url.startswith("data:"):
        return None
    comma = url.find(",", 5, 300)
    head = url[5:comma] if comma > 0 else ""
    if not head.endswith(";base64"):
        return None
    return head[:-7].partition(";")[0], url[comma + 1 :]


def _as_result(part: Part) -> ResultPart:
    if isinstance(part, Text | Media):
        return part
    if isinstance(part, Native) and "encrypted_content" not in part.raw:
        return Text(compact(part.raw))
    return Text(SEALED_TEXT)


def _read_media(kind: Any, raw: Json) -> Media | None:
    if kind == "input_image":
        return _read_image(raw)
    if kind == "input_file":
        return _read_file(raw)
    if kind == "input_audio":
        audio = raw.get("input_audio")
        if isinstance(audio, dict) and isinstance(audio.get("data"), str) and audio["data"]:
            media_type = _AUDIO_TYPES.get(string(audio, "format"), "")
            return Media(MediaKind.AUDIO, media_type, data=audio["data"]) if media_type else None
    return None


def _read_image(raw: Json) -> Media | None:
    url = raw.get("image_url")
    if isinstance(url, dict):  # as Chat Completions nests it
        url = url.get("url")
    detail = _detail(raw)
    if isinstance(url, str) and url:
        inline = split_data_url(url)
        if inline is None:
            return Media(MediaKind.IMAGE, url=url, detail=detail, cache=_cache(raw))
        media_type, data = inline
        return Media(MediaKind.IMAGE, media_type, data=data, detail=detail, cache=_cache(raw))
    file_id = string(raw, "file_id")
    return Media(MediaKind.IMAGE, file_id=file_id, detail=detail, cache=_cache(raw)) if file_id else None


def _read_file(raw: Json) -> Media | None:
    name, detail, cache = string(raw, "filename"), _detail(raw), _cache(raw)
    data = string(raw, "file_data")
    if data:
        media_type, data = split_data_url(data) or ("", data)
        media_type = media_type or _TYPE_BY_ENDING.get(name.rpartition(".")[2].lower(), "")
        if media_type == "text/plain":
            text = _decoded(data)
            if text is None:
                return None
            data = text
        return Media(MediaKind.DOCUMENT, media_type, data=data, name=name, detail=detail, cache=cache)
    for field in ("file_url", "file_id"):
        value = string(raw, field)
        if value:
            url, file_id = (value, "") if field == "file_url" else ("", value)
            return Media(MediaKind.DOCUMENT, url=url, file_id=file_id, name=name, detail=detail, cache=cache)
    return None


def _write_image(part: Media) -> Json:
    raw: Json = {"type": "input_image", "detail": part.detail or "auto"}
    if part.file_id:
        raw["file_id"] = part.file_id
    else:
        raw["image_url"] = data_url(part)
    return raw


def _write_file(part: Media) -> Json:
    raw: Json = {"type": "input_file"}
    if part.file_id:
        raw["file_id"] = part.file_id
    elif part.url:
        raw["file_url"] = part.url
    else:
        media_type = part.media_type or "application/pdf"
        plain = media_type == "text/plain"
        data = base64.b64encode(part.data.encode()).decode("ascii") if plain else part.data
        raw["file_data"] = f"data:{media_type};base64,{data}"
        raw["filename"] = part.name or ("document.txt" if plain else "document.pdf")  # it must have one
    if part.detail in ("low", "high"):
        raw["detail"] = part.detail
    return raw


def _cache(raw: Json) -> CacheMark | None:
    mark = raw.get("prompt_cache_breakpoint")
    if not isinstance(mark, dict):
        return None
    ttl: Literal["5m", "1h"] = "1h" if mark.get("ttl") == "12h" else "5m"  # as usage counts them
    return CacheMark(ttl)


def _detail(raw: Json) -> str:
    detail = string(raw, "detail")
    return "" if detail == "auto" else detail


def _image_type(data: str) -> str:
    for start, media_type in _IMAGE_STARTS:
        if data.startswith(start):
            return media_type
    return "image/png"


def _decoded(data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=True).decode() or None
    except (binascii.Error, ValueError):
        return None
