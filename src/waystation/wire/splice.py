"""Edits of one named top-level field of a JSON body; every other byte stays as the tool sent it.

Providers sign parts of the history (thinking signatures) and cache by prefix, so a body must never be
re-encoded.
"""

import re

import msgspec

from waystation.wire.request import models_named

_KEY = b'"model"'
_KEY_AND_QUOTE = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*"')
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]', re.DOTALL)
_HEAD = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"model"[ \t\r\n]*:[ \t\r\n]*"')
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_string = msgspec.json.Decoder(str).decode


def set_model(body: bytes, current: str, new: str) -> bytes:
    """`body` with its top-level `model`, which is `current`, set to `new`.

    `body` is one that `read_request` accepted, so it names one model; every other `"model"` in it, however
    deep, stays. Where `model` is the first member, as all coding tools write it, this costs one copy;
    elsewhere a search or two of the body.
    """
    if current == new:
        return body
    start, end = _model_value(body, current)
    return b"".join((body[:start], msgspec.json.encode(new), body[end:]))


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
    value = current.encode() + b'"'
    head = _HEAD.match(body)
    if head is not None and body.startswith(value, head.end()):
        return head.end() - 1, head.end() + len(value)
    # An escape of the letters of "model" (\u006d …) could spell the key in a way that no search finds.
    if b"\\u006" not in body:
        places = _string_models(body)
        if len(places) == 1 and body.startswith(value, places[0].end()):
            return places[0].end() - 1, places[0].end() + len(value)
        span = _by_counting(body, places) if places else None
        if span is not None:
            return span
    return next((start, end) for key, start, end in _top_level(body) if key == "model")


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
    return (start, text.end()) if models_named(probe) == ["\0"] else None


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
