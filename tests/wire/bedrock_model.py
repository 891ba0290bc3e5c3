"""Amazon's own SDK as the judge of what we write: botocore's model of `bedrock-runtime`."""

import base64
import functools
import json
from typing import Any

import botocore.session
from botocore.eventstream import EventStream
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator


@functools.cache
def service() -> ServiceModel:
    return botocore.session.Session().get_service_model("bedrock-runtime")


def operation(name: str) -> OperationModel:
    return service().operation_model(name)


def check_request(body: bytes, name: str = "Converse", model: str = "some-model") -> dict[str, Any]:
    """Fails unless the SDK would take the same parameters and make the same body of them."""
    shape = operation(name).input_shape
    params: dict[str, Any] = _as_params(json.loads(body), shape) | {"modelId": model}
    report = ParamValidator().validate(params, shape)
    assert not report.has_errors(), report.generate_report()
    made = create_serializer("rest-json").serialize_to_request(params, operation(name))
    assert json.loads(made["body"]) == json.loads(body)
    return params


def parse_reply(body: bytes, name: str = "Converse") -> dict[str, Any]:
    """What the SDK makes of a whole answer. Unknown members would be lost: the caller compares."""
    response = {"status_code": 200, "headers": {"content-type": "application/json"}, "body": body}
    parsed: dict[str, Any] = create_parser("rest-json").parse(response, operation(name).output_shape)
    return parsed


def parse_error(status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    response = {"status_code": status, "headers": headers, "body": body}
    parsed: dict[str, Any] = create_parser("rest-json").parse(response, operation("Converse").output_shape)
    return parsed


class _Raw:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Any:
        yield self._data

    def close(self) -> None:
        pass


def parse_stream(data: bytes) -> list[dict[str, Any]]:
    """The events that the SDK sees; it raises EventStreamError for an exception frame."""
    shape = operation("ConverseStream").output_shape
    parser = create_parser("rest-json")._event_stream_parser
    return list(EventStream(_Raw(data), shape.members["stream"], parser, "ConverseStream"))


def _as_params(value: Any, shape: Shape) -> Any:
    """JSON as the SDK's caller has it: blobs are bytes."""
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "structure" and isinstance(value, dict) and not shape.is_document_type:
        members = shape.members
        return {k: _as_params(v, members[k]) if k in members else v for k, v in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_as_params(item, shape.member) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {k: _as_params(v, shape.value) for k, v in value.items()}
    return value
