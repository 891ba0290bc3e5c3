"""Edits of one named top-level field of a JSON body; every other byte stays as the tool sent it.

Providers sign parts of the history (thinking signatures) and cache by prefix, so a body must never be
re-encoded.
"""

import re

import msgspec

from waystation.wire.bad_body import BadBody

_KEY = b'"model"'
_KEY_AND_QUOTE = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*"')
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]', re.DOTALL)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_string = msgspec.json.Decoder(str).decode


class _Model(msgspec.Struct, gc=False):
    model: str


_model = msgspec.json.Decoder(_Model).decode

TWICE = "The field 'model' is given twice; name one model."


def set_model(body: bytes, current: str, new: str) -> bytes:
    """`body` with its top-level `model`, which is `current`, set to `new`.

    Raises BadBody where the body names a model twice at its top level, in whatever spelling: readers disagree
    on which of them counts, so policy could see one and the provider another. `body` must be a JSON object
    that `read_request` accepted.
    """
    start, end = _model_value(body, current)
    if current == new:
        return body
    return b"".join((body[:start], msgspec.json.encode(new), body[end:]))


def check_unambiguous_model(body: bytes, current: str) -> None:
    """The check of `set_model`, for a body that goes out as it is."""
    _model_value(body, current)


def request_usage_in_stream(body: bytes) -> bytes:
    """A Chat Completions body that asks for usage at the end of its stream; all else untouched."""
    if b"stream_options" not in body and b"\\u00" not in body:
        start = body.index(b"{") + 1
        comma = b"" if body[start:].lstrip()[:1] == b"}" else b","
        return b"".join((body[:start], b'"stream_options":{"include_usage":true}', comma, body[start:]))
    found = [(a, b) for key, a, b in _top_level(body) if key == "stream_options"]
    if not found:
        start = body.index(b"{") + 1
        return b"".join((body[:start], b'"stream_options":{"include_usage":true},', body[start:]))
    start, end = found[-1]  # of two, the last counts
    try:
        options = _members(body[start:end])
    except msgspec.ValidationError:
        options = {}
    options["include_usage"] = msgspec.Raw(b"true")
    return b"".join((body[:start], msgspec.json.encode(options), body[end:]))


def _model_value(body: bytes, current: str) -> tuple[int, int]:
    """Where the string of the top-level `model` begins and ends, quotes included."""
    # An escape of the letters of "model" (\u006d …) could spell the key in a way that no search finds.
    if b"\\u006" not in body:
        places = _string_models(body)
        if len(places) == 1:
            match = places[0]
            end = match.end() + len(current.encode())
            if body[match.end() : end + 1] == current.encode() + b'"':
                return match.end() - 1, end + 1
        elif places:
            span = _by_counting(body, places)
            if span is not None:
                return span
    return _by_reading(body)


def _string_models(body: bytes) -> list[re.Match[bytes]]:
    """Every place that reads `"model": "`, at any depth."""
    found = []
    at = body.find(_KEY)
    while at >= 0:
        match = _KEY_AND_QUOTE.match(body, at)
        if match is not None and body[at - 1 : at] != b"\\":
            found.append(match)
        at = body.find(_KEY, at + 7)
    return found


def _by_counting(body: bytes, places: list[re.Match[bytes]]) -> tuple[int, int] | None:
    """The top-level one of several places, found by counting how many lie inside the other members.

    None where the count does not leave exactly one, or a repeated key has upset the order.
    """
    before = inside = 0
    for key, value in _members(body).items():
        if key == "model":
            before = inside
        else:
            inside += len(_string_models(bytes(value)))
    if len(places) != inside + 1:
        return None
    start = places[before].end() - 1
    text = _TOKEN.match(body, start)
    if text is None:
        return None
    probe = b"".join((body[:start], b'"\\u0000"', body[text.end() :]))
    return (start, text.end()) if _model(probe).model == "\0" else None


def _by_reading(body: bytes) -> tuple[int, int]:
    found = [(start, end) for key, start, end in _top_level(body) if key == "model"]
    if len(found) != 1:
        raise BadBody(TWICE, param="model")
    return found[0]


def _top_level(body: bytes) -> list[tuple[str, int, int]]:
    """Key, start and end of the value of each member of the outermost object, in order, repeated ones too."""
    members: list[tuple[str, int, int]] = []
    depth = 0
    key: str | None = None
    value_start = -1
    string: re.Match[bytes] | None = None
    for token in _TOKEN.finditer(body):
        first = token[0][:1]
        if first == b'"':
            string = token
        elif first in b"{[":
            depth += 1
        elif first == b":" and depth == 1 and string is not None:
            key, value_start = _string(string[0]), token.end()
        elif first in b"}],":
            if depth == 1 and key is not None:
                raw = body[value_start : token.start()]
                start = value_start + len(raw) - len(raw.lstrip())
                members.append((key, start, start + len(raw.strip())))
                key = None
            if first != b",":
                depth -= 1
    return members
