"""Content: a string, or a list of parts, of a message.

Read with all that tools send (data URLs, OpenRouter's `cache_control`, OpenAI's `prompt_cache_breakpoint`,
`video_url`); written so that OpenAI takes it and the servers that speak its protocol do too.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from waystation.model import Capabilities, Wire
from waystation.wire.canonical import CacheMark, Media, MediaKind, Native, Part, Reasoning, Text
from waystation.wire.codecs.chat.fields import object_in, string, wrong
from waystation.wire.codecs.door import Notes

Json = dict[str, Any]
_Read = Callable[[Json, str], Part | None]
_Marked = TypeVar("_Marked", Text, Media)

BETWEEN = "\n\n"
"""Between texts that become one."""

_AUDIO = {"mp3": "audio/mpeg"}
_AUDIO_FORMATS = {"audio/mpeg": "mp3", "audio/x-wav": "wav", "audio/wave": "wav"}
_TEXT = "text/plain"
_BY_SUFFIX = {"txt": _TEXT, "md": "text/markdown", "csv": "text/csv", "json": "application/json"}


def read_content(value: Any, where: str) -> list[Part]:
    """`value` is a message's `content`, and `where` says which. Empty texts are left out (E78)."""
    if isinstance(value, str):
        return [Text(value)] if value else []
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong(f"{where}.content", "a string or an array of parts")
    parts: list[Part] = []
    for index, raw in enumerate(value):
        if not isinstance(raw, dict):
            raise wrong(f"{where}.content[{index}]", "an object")
        kind = raw.get("type")
        if not isinstance(kind, str):
            raise wrong(f"{where}.content[{index}].type", "a string")
        read = _READ.get(kind)
        part = Native(Wire.CHAT, kind, raw) if read is None else read(raw, f"{where}.content[{index}]")
        if part is not None:
            parts.append(part)
    return parts


def cache_mark(raw: Json) -> CacheMark | None:
    """Anthropic's own mark, as OpenRouter and others take it, or OpenAI's, whose half hour is nearer to five
    minutes than to a paid hour (E65)."""
    mark = raw.get("cache_control")
    if isinstance(mark, dict):
        return CacheMark("1h") if mark.get("ttl") == "1h" else CacheMark()
    mark = raw.get("prompt_cache_breakpoint")
    if isinstance(mark, dict):
        return CacheMark("1h") if mark.get("ttl") == "12h" else CacheMark()
    return None


def marked(part: _Marked, raw: Json) -> _Marked:
    mark = cache_mark(raw)
    return part if mark is None else msgspec.structs.replace(part, cache=mark)


def cache_control(mark: CacheMark) -> Json:
    return {"type": "ephemeral", "ttl": "1h"} if mark.ttl == "1h" else {"type": "ephemeral"}


def _text(raw: Json, where: str) -> Part | None:
    text = string(raw, "text", where)
    return marked(Text(text), raw) if text else None


def _refusal(raw: Json, where: str) -> Part | None:
    text = string(raw, "refusal", where)
    return Text(text, refusal=True) if text else None


def _thinking(raw: Json, _: str) -> Part | None:
    """Mistral's thoughts, which are parts of the content."""
    text = thinking_text(raw)
    return Reasoning(text) if text else None


def thinking_text(raw: Json) -> str:
    said = raw.get("thinking")
    if isinstance(said, list):
        pieces = [one.get("text") for one in said if isinstance(one, dict)]
        return "".join(piece for piece in pieces if isinstance(piece, str))
    return said if isinstance(said, str) else ""


def _image(raw: Json, where: str) -> Part | None:
    value = raw.get("image_url")
    holder: Json = {"url": value} if isinstance(value, str) else object_in(raw, "image_url", where) or {}
    url = string(holder, "url", f"{where}.image_url")
    if not url:
        raise wrong(f"{where}.image_url.url", "a URL")
    media = _from_url(MediaKind.IMAGE, url, detail=string(holder, "detail", f"{where}.image_url"))
    return marked(media, raw)


def _video(raw: Json, where: str) -> Part | None:
    value = raw.get("video_url")
    holder: Json = {"url": value} if isinstance(value, str) else object_in(raw, "video_url", where) or {}
    url = string(holder, "url", f"{where}.video_url")
    if not url:
        raise wrong(f"{where}.video_url.url", "a URL")
    return marked(_from_url(MediaKind.VIDEO, url), raw)


def _audio(raw: Json, where: str) -> Part | None:
    holder = object_in(raw, "input_audio", where) or {}
    data = string(holder, "data", f"{where}.input_audio")
    if not data:
        raise wrong(f"{where}.input_audio.data", "Base64")
    if data.startswith(("data:", "https://", "http://")):
        return marked(_from_url(MediaKind.AUDIO, data), raw)
    form = string(holder, "format", f"{where}.input_audio")
    kind = _AUDIO.get(form, f"audio/{form}") if form else ""
    return marked(Media(MediaKind.AUDIO, kind, data=data), raw)


def _file(raw: Json, where: str) -> Part | None:
    holder = object_in(raw, "file", where) or {}
    inside = f"{where}.file"
    name, data = string(holder, "filename", inside), string(holder, "file_data", inside)
    if data.startswith(("data:", "https://", "http://")):
        return marked(_from_url(MediaKind.DOCUMENT, data, name=name), raw)
    if data:
        form = _BY_SUFFIX.get(name.rpartition(".")[2].lower(), "application/pdf")
        return marked(_document(MediaKind.DOCUMENT, form, data, name), raw)
    file_id = string(holder, "file_id", inside)
    if not file_id:
        raise wrong(f"{inside}.file_data", "a data URL, or 'file_id' a file")
    return marked(Media(MediaKind.DOCUMENT, file_id=file_id, name=name), raw)


_READ: dict[str, _Read] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "image_url": _image,
    "video_url": _video,
    "input_audio": _audio,
    "file": _file,
}


def _from_url(kind: MediaKind, url: str, *, name: str = "", detail: str = "") -> Media:
    """A picture, sound or file behind a URL; a data URL has it in itself."""
    head, comma, data = url.partition(",") if url.startswith("data:") else ("", "", "")
    if not comma:
        return Media(kind, url=url, name=name, detail=detail)
    form, *parameters = head[len("data:") :].split(";")
    form = form.strip().lower()
    if "base64" not in parameters:
        data = base64.b64encode(unquote_to_bytes(data)).decode("ascii")
    return _document(_kind_of(form, kind), form, data, name, detail)


def _kind_of(form: str, otherwise: MediaKind = MediaKind.DOCUMENT) -> MediaKind:
    family = form.partition("/")[0]
    return MediaKind(family) if family in ("image", "audio", "video") else otherwise


def _document(kind: MediaKind, form: str, data: str, name: str, detail: str = "") -> Media:
    if kind is MediaKind.DOCUMENT and form == _TEXT:
        try:
            plain = base64.b64decode(data, validate=True).decode()
        except (binascii.Error, ValueError):
            return Media(kind, "application/octet-stream", data=data, name=name)
        if plain:
            return Media(kind, _TEXT, data=plain, name=name)
    return Media(kind, form, data=data, name=name, detail=detail)


class ContentWriter:
    """Parts for one provider. What it cannot be shown is a visible placeholder, so that the model knows that
    there was something (E77), and a note."""

    __slots__ = ("_able", "_marks", "_notes", "plain")

    def __init__(self, capabilities: Capabilities, notes: Notes) -> None:
        self._able = capabilities
        self._marks = capabilities.caching is True
        """Only who says so takes marks: OpenAI caches by itself, and strict servers refuse what they do not
        know."""
        self._notes = notes
        self.plain = capabilities.thinking != "effort"
        """Words are strings wherever they can be: several servers take nothing else, and some models answer
        in parts when they are shown parts."""

    def message(self, parts: list[Text | Media]) -> str | list[Json]:
        """The content of a user's message."""
        written = [self.part(part) for part in parts]
        if (self.plain or len(written) == 1) and all(len(raw) == 2 and "text" in raw for raw in written):
            return BETWEEN.join(raw["text"] for raw in written)
        return written

    def joined(self, texts: list[Text], between: str) -> str | list[Json]:
        """Content of a message that many servers only take as a string; with cache marks it must be a list."""
        written = [self.part(text) for text in texts]
        if self._marks and any(text.cache for text in texts):
            return written
        return between.join(text.text for text in texts)

    def mark(self, mark: CacheMark | None) -> Json:
        """The fields for a cache mark; none where the provider does not take it."""
        if mark is None:
            return {}
        if self._marks:
            return {"cache_control": cache_control(mark)}
        self._notes.drop("cache_control")
        return {}

    def part(self, part: Text | Media) -> Json:
        if isinstance(part, Text):
            if part.citations:
                self._notes.drop("citations")
            return {"type": "text", "text": part.text, **self.mark(part.cache)}
        return {**self._media(part), **self.mark(part.cache)}

    def shows(self, part: Media) -> bool:
        """Whether the provider gets to see it (or to refuse it), and not a placeholder."""
        return self._why_not(part) == ""

    def placeholder(self, part: Media, why: str = "") -> Json:
        self._notes.drop(part.kind.value)
        name = f" {part.name}" if part.name else ""
        at = f" at {part.url}" if part.url else ""
        return {"type": "text", "text": f"[{part.kind.value}{name}{at}: {why or self._why_not(part)}]"}

    def _why_not(self, part: Media) -> str:
        kind = part.kind
        if kind is MediaKind.IMAGE and self._able.vision is False:
            return "this model cannot see images"
        if kind is MediaKind.IMAGE and part.file_id:
            return "the file is at another provider"
        if kind is MediaKind.DOCUMENT and part.media_type == _TEXT and part.data:
            return ""
        if kind is MediaKind.DOCUMENT and self._able.documents is False:
            return "this model cannot read documents"
        if kind is MediaKind.VIDEO and self._able.vision is False:
            return "this model cannot see videos"
        if kind in (MediaKind.DOCUMENT, MediaKind.AUDIO) and part.url:
            return "this model cannot open URLs"
        if kind in (MediaKind.AUDIO, MediaKind.VIDEO) and part.file_id:
            return "the file is at another provider"
        return ""

    def _media(self, part: Media) -> Json:
        why = self._why_not(part)
        if why:
            return self.placeholder(part, why)
        kind = part.kind
        if kind is MediaKind.IMAGE:
            image: Json = {"url": _url(part, "image/png")}
            if part.detail:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        if kind is MediaKind.AUDIO:
            form = _AUDIO_FORMATS.get(part.media_type) or part.media_type.rpartition("/")[2] or "wav"
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": form}}
        if kind is MediaKind.VIDEO:
            return {"type": "video_url", "video_url": {"url": _url(part, "video/mp4")}}
        return self._document(part)

    def _document(self, part: Media) -> Json:
        if part.file_id:
            return {"type": "file", "file": {"file_id": part.file_id}}
        if part.media_type == _TEXT:  # no server takes text as a file, and every model reads it
            name = f' name="{part.name}"' if part.name else ""
            return {"type": "text", "text": f"<document{name}>\n{part.data}\n</document>"}
        name = part.name or "document.pdf"
        return {"type": "file", "file": {"filename": name, "file_data": _url(part, "application/pdf")}}


def _url(part: Media, otherwise: str) -> str:
    return part.url or f"data:{part.media_type or otherwise};base64,{part.data}"
