"""Pictures and documents that a model cannot be given: something readable in their place (E77)."""

from waystation.model import Capabilities, Wire
from waystation.wire.canonical import Media, MediaKind, Text
from waystation.wire.codecs import Notes
from waystation.wire.translate.fields import called


def shown(media: Media, capabilities: Capabilities, source: Wire, notes: Notes) -> Media | Text:
    """`media`, or words where the model cannot have it."""
    kind = media.kind
    named = f" {media.name}" if media.name else ""
    if media.file_id:
        notes.drop(called(kind.value, source))
        return Text(f"[{kind.value.capitalize()}{named}: it is kept at another provider]", media.cache)
    if kind is MediaKind.IMAGE and capabilities.vision is False:
        notes.drop(called("image", source))
        return Text(f"[Image{named}: this model cannot see images]", media.cache)
    if kind is MediaKind.DOCUMENT and capabilities.documents is False:
        if media.media_type == "text/plain" and media.data:
            head = f"[Document{named}]\n" if named else ""
            return Text(head + media.data, media.cache)
        notes.drop(called("document", source))
        return Text(f"[Document{named}: this model cannot read documents]", media.cache)
    return media
