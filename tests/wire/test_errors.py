"""Refusals and provider errors in each protocol's shape, with the statuses that tools neither retry nor hide."""

import json
from typing import Any

import pytest

from waystation.model import TOOL_WIRES, Operation, Refusal, RefusalKind, Surface, Wire
from waystation.wire import StreamError, convert_stream_error, read_body, refusal_response

SAY = "Ask the platform team for access to gpt-5."
STATUSES = {
    RefusalKind.UNAUTHENTICATED: 401,
    RefusalKind.REVOKED: 401,
    RefusalKind.BAD_REQUEST: 400,
    RefusalKind.TOO_LARGE: 413,
    RefusalKind.UNSUPPORTED_ENCODING: 415,
    RefusalKind.UNKNOWN_MODEL: 400,
    RefusalKind.MODEL_NOT_ALLOWED: 400,
    RefusalKind.NO_ROUTE: 400,
    RefusalKind.RATE_LIMITED: 429,
    RefusalKind.BUDGET_EXHAUSTED: 402,
    RefusalKind.NOT_FOUND: 404,
    RefusalKind.METHOD_NOT_ALLOWED: 405,
    RefusalKind.UPGRADE_REQUIRED: 426,
    RefusalKind.UPSTREAM_UNREACHABLE: 502,
    RefusalKind.UPSTREAM_TIMEOUT: 504,
    RefusalKind.UPSTREAM_BROKEN: 502,
    RefusalKind.DRAINING: 503,
    RefusalKind.INTERNAL: 500,
}


def refuse(place: Wire | Surface, refusal: Refusal) -> tuple[int, dict[bytes, bytes], Any]:
    status, headers, body = refusal_response(place, refusal, "req_1")
    assert len(dict(headers)) == len(headers)
    return status, dict(headers), json.loads(body)


@pytest.mark.parametrize("kind", list(RefusalKind))
@pytest.mark.parametrize("wire", TOOL_WIRES)
def test_each_refusal_has_its_status_and_says_its_sentence(kind: RefusalKind, wire: Wire) -> None:
    status, headers, body = refuse(wire, Refusal(kind, SAY))
    codex_budget = wire is Wire.RESPONSES and kind is RefusalKind.BUDGET_EXHAUSTED
    assert status == (400 if codex_budget else STATUSES[kind])
    assert headers[b"content-type"] == b"application/json"
    assert body["error"]["message"] == SAY
    if wire is Wire.GENERATE:
        assert body["error"]["code"] == status


def test_shapes() -> None:
    refusal = Refusal(RefusalKind.UNKNOWN_MODEL, SAY, param="model")
    assert refuse(Wire.MESSAGES, refusal)[2] == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": SAY},
        "request_id": "req_1",
    }
    inner = {"message": SAY, "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    assert refuse(Wire.CHAT, refusal)[2] == {"error": inner}
    assert refuse(Wire.EMBEDDINGS, refusal)[2] == {"error": inner}
    assert refuse(Wire.GENERATE, refusal)[2] == {
        "error": {"code": 400, "message": SAY, "status": "INVALID_ARGUMENT"}
    }


def test_what_codex_prints_is_short() -> None:
    _, _, body = refusal_response(Wire.RESPONSES, Refusal(RefusalKind.BUDGET_EXHAUSTED, SAY), "req_1")
    assert body == (
        b'{"error":{"message":"%s","type":"billing_error","code":"budget_exhausted"}}' % SAY.encode()
    )


def test_no_code_that_makes_codex_use_its_own_words_instead_of_ours() -> None:
    for kind in RefusalKind:
        error = refuse(Wire.RESPONSES, Refusal(kind, SAY))[2]["error"]
        swallowed = {"insufficient_quota", "usage_limit_reached", "usage_not_included"}
        assert not swallowed & {error["type"], error["code"]}


@pytest.mark.parametrize(
    ("surface", "wire"),
    [
        (Surface.ANTHROPIC, Wire.MESSAGES),
        (Surface.OPENAI, Wire.CHAT),
        (Surface.GEMINI, Wire.GENERATE),
    ],
)
def test_a_surface_speaks_as_its_usual_wire(surface: Surface, wire: Wire) -> None:
    refusal = Refusal(RefusalKind.NOT_FOUND, SAY)
    assert refusal_response(surface, refusal, "r") == refusal_response(wire, refusal, "r")


@pytest.mark.parametrize("wire", TOOL_WIRES)
@pytest.mark.parametrize("kind", [RefusalKind.RATE_LIMITED, RefusalKind.DRAINING])
def test_E92_the_time_to_wait_is_always_told(wire: Wire, kind: RefusalKind) -> None:
    _, headers, body = refuse(wire, Refusal(kind, SAY, retry_after=37))
    assert headers[b"retry-after"] == b"37"
    if wire is Wire.GENERATE:  # where Google's own clients look
        assert body["error"]["details"] == [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}
        ]
    assert int(refuse(wire, Refusal(kind, SAY))[1][b"retry-after"]) > 0


def test_authentication_is_challenged_and_revocation_is_final() -> None:
    _, headers, _ = refuse(Wire.MESSAGES, Refusal(RefusalKind.UNAUTHENTICATED, SAY))
    assert headers[b"www-authenticate"].startswith(b"Bearer")
    assert b"x-should-retry" not in headers
    _, headers, _ = refuse(Wire.MESSAGES, Refusal(RefusalKind.REVOKED, SAY))
    assert headers[b"x-should-retry"] == b"false"


@pytest.mark.parametrize(
    ("wire", "error", "status", "shape"),
    [
        (
            Wire.MESSAGES,
            StreamError("overloaded_error", "Overloaded", 529),
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        ),
        (
            Wire.RESPONSES,
            StreamError("rate_limit_exceeded", "Slow down", 429, 2),
            429,
            {
                "error": {
                    "message": "Slow down",
                    "type": "rate_limit_exceeded",
                    "code": "rate_limit_exceeded",
                }
            },
        ),
        (
            Wire.CHAT,
            StreamError("server_error", "Oops", 500, code="gone"),
            500,
            {"error": {"message": "Oops", "type": "server_error", "param": None, "code": "gone"}},
        ),
        (
            Wire.GENERATE,
            StreamError("UNAVAILABLE", "Busy", 503),
            503,
            {"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}},
        ),
    ],
)
def test_E13_an_early_stream_error_becomes_a_real_one(
    wire: Wire, error: StreamError, status: int, shape: dict[str, Any]
) -> None:
    got, headers, body = convert_stream_error(wire, error)
    assert (got, json.loads(body)) == (status, shape)
    assert dict(headers).get(b"retry-after") == (b"2" if error.retry_after else None)


@pytest.mark.parametrize(
    ("wire", "status", "body", "expected"),
    [
        (
            Wire.MESSAGES,
            400,
            '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}',
            StreamError("invalid_request_error", "prompt is too long", 400),
        ),
        (
            Wire.CHAT,
            429,
            '{"error":{"message":"Please try again in 6ms.","type":"tokens","code":"rate_limit_exceeded"}}',
            StreamError("tokens", "Please try again in 6ms.", 429, 1, "rate_limit_exceeded"),
        ),
        (
            Wire.RESPONSES,
            401,
            '{"error":{"message":"no","type":"invalid_request_error","code":"invalid_api_key"}}',
            StreamError("invalid_request_error", "no", 401, None, "invalid_api_key"),
        ),
        (
            Wire.GENERATE,
            404,
            '[{"error":{"code":404,"message":"no such model","status":"NOT_FOUND"}}]',
            StreamError("NOT_FOUND", "no such model", 404),
        ),
        (Wire.CHAT, 200, '{"error":{"code":502,"message":"down"}}', StreamError("502", "down", 502)),
        (Wire.CHAT, 503, "<html>gateway</html>", StreamError("error", "", 503)),
        (Wire.GENERATE, 500, "", StreamError("error", "", 500)),
        (Wire.MESSAGES, 502, '{"detail":"x"}', StreamError("error", "", 502)),
        (Wire.RESPONSES, 400, '{"detail":"bad"}', StreamError("error", "", 400)),
        (Wire.EMBEDDINGS, 400, '{"error":"text"}', StreamError("error", "text", 400)),
    ],
)
def test_errors_in_whole_answers_are_read(wire: Wire, status: int, body: str, expected: StreamError) -> None:
    assert read_body(wire, Operation.GENERATE, status, body.encode()).error == expected


def test_a_failed_response_in_a_200_is_an_error() -> None:
    body = b'{"status":"failed","error":{"code":"server_error","message":"x"},"usage":null}'
    reading = read_body(Wire.RESPONSES, Operation.GENERATE, 200, body)
    assert reading.error == StreamError("server_error", "x", 500)
