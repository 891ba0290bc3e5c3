"""Pictures, documents, films and sounds: `image`, `document`, `video` and `audio` blocks.

Bedrock fetches nothing but `s3://` objects, and knows no files of other providers. What it cannot be sent is
named in words where it stood, so that the model does not answer as if it had seen it.
"""

import base64
import binascii
import re
from typing import Any

from waystation.model import Capabilities, Wire
from waystation.wire.canonical import Media, MediaKind, Native

_FORMATS: dict[MediaKind, dict[str, str]] = {
    MediaKind.IMAGE: {
        "image/png": "png",
        "image/jpeg": "jpeg",
        "image/gif": "gif",
        "image/webp": "webp",
        "image/jpg": "jpeg",
    },
    MediaKind.DOCUMENT: {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "application/msword": "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "text/html": "html",
        "text/plain": "txt",
        "text/markdown": "md",
    },
    MediaKind.VIDEO: {
        "video/x-matroska": "mkv",
        "video/quicktime": "mov",
        "video/mp4": "mp4",
        "video/webm": "webm",
        "video/x-flv": "flv",
        "video/mpeg": "mpeg",
        "video/mpg": "mpg",
        "video/x-ms-wmv": "wmv",
        "video/3gpp": "three_gp",
    },
    MediaKind.AUDIO: {
        "audio/mpeg": "mp3",
        "audio/opus": "opus",
        "audio/wav": "wav",
        "audio/aac": "aac",
        "audio/flac": "flac",
        "audio/mp4": "mp4",
        "audio/ogg": "ogg",
        "audio/x-matroska": "mka",
        "audio/x-aac": "x-aac",
        "audio/m4a": "m4a",
        "audio/pcm": "pcm",
        "audio/webm": "webm",
        "audio/mp3": "mp3",
        "audio/x-wav": "wav",
        "audio/x-m4a": "m4a",
    },
}
_TYPES = {
    kind: {form: media_type for media_type, form in reversed(formats.items())}
    for kind, formats in _FORMATS.items()
}
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9\s\-()\[\]]|\s+")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}\Z")
_LONGEST_NAME = 200


class DocumentNames:
    """Names for the documents of one request: of the letters that are allowed, and no two alike."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def make(self, name: str) -> str:
        plain = " ".join(_NOT_IN_A_NAME.sub(" ", _EXTENSION.sub("", name)).split()) or "document"
        plain = plain[: _LONGEST_NAME - 5].rstrip()
        chosen, number = plain, 1
        while chosen in self._taken:
            number += 1
            chosen = f"{plain} {number}"
        self._taken.add(chosen)
        return chosen


def write_media(
    media: Media,
    names: DocumentNames,
    capabilities: Capabilities = Capabilities(),  # noqa: B008 - frozen
) -> dict[str, Any] | None:
    """The block; None where Bedrock (or the model, as far as the catalogue says) cannot take it."""
    if media.kind is MediaKind.IMAGE and capabilities.vision is False:
        return None
    if media.kind is MediaKind.DOCUMENT and capabilities.documents is False:
        return None
    form = _FORMATS[media.kind].get(media.media_type.partition(";")[0].strip().lower(), "")
    if not form and media.url:
        form = _form_of(media.url, media.kind)
    source = _source(media)
    if not form or source is None:
        return None
    block: dict[str, Any] = {"format": form, "source": source}
    if media.kind is MediaKind.DOCUMENT:
        block["name"] = names.make(media.name)
    return {media.kind.value: block}


def placeholder(media: Media) -> str:
    """What stands in a message for something that could not be sent."""
    where = f" at {media.url}" if media.url and len(media.url) <= 500 else ""
    return f"[{media.kind.value}{where} left out: the model's provider cannot be given it]"


def is_base64(text: str) -> bool:
    """Whether a field of bytes may hold it."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def join_base64(pieces: list[str]) -> str:
    """The base64 of what the pieces encode one after the other; each may end in padding of its own."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        whole = b"".join(base64.b64decode(piece) for piece in pieces)
    except (binascii.Error, ValueError):
        return "".join(pieces)
    return base64.b64encode(whole).decode("ascii")


def _source(media: Media) -> dict[str, Any] | None:
    if media.data:
        if media.kind is MediaKind.DOCUMENT and media.media_type == "text/plain":
            return {"bytes": base64.b64encode(media.data.encode("utf-8", "replace")).decode("ascii")}
        return {"bytes": media.data}
    if media.url.startswith("s3://"):
        return {"s3Location": {"uri": media.url}}
    return None


def _form_of(url: str, kind: MediaKind) -> str:
    ending = url.rpartition(".")[2].lower()
    ending = "jpeg" if ending == "jpg" else ending
    return ending if ending in _TYPES[kind] else ""


def read_media(kind: str, raw: Any) -> Media | Native:
    """A block's inside, as Media; as Native where Media could not say all of it."""
    block = Native(Wire.CONVERSE, kind, {kind: raw})
    if not isinstance(raw, dict) or not raw.keys() <= {"format", "source", "name"}:
        return block
    source, form, name = raw.get("source"), raw.get("format", ""), raw.get("name", "")
    if not isinstance(source, dict) or len(source) != 1:
        return block
    media_kind = MediaKind(kind)
    media_type = _TYPES[media_kind].get(form, "") if isinstance(form, str) else ""
    if not media_type or not isinstance(name, str):
        return block
    data, place = source.get("bytes"), source.get("s3Location")
    if isinstance(data, str) and data:
        if media_type == "text/plain":
            return _read_text(data, name) or block
        return Media(media_kind, media_type, data=data, name=name)
    if isinstance(place, dict) and place.keys() == {"uri"} and isinstance(place["uri"], str):
        return Media(media_kind, media_type, url=place["uri"], name=name)
    return block


def _read_text(data: str, name: str) -> Media | None:
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return Media(MediaKind.DOCUMENT, "text/plain", data=text, name=name) if text else None
