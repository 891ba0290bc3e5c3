"""One rich conversation, word for word, in every protocol and through every pair of them."""

import json

import pytest

from tests.wire.translate import sdk
from tests.wire.translate.canonical_json import from_json, to_json
from tests.wire.translate.golden_files import FOLDER, answer, conversation, made, tool_request
from tests.wire.translate.pairs import NAMES, SOURCES, TARGETS
from waystation.model import Wire

FILES = dict(made())


@pytest.mark.parametrize("path", FILES)
def test_the_golden_file_is_still_what_is_made(path: str) -> None:
    assert (FOLDER / path).read_text("utf-8") == FILES[path], "see golden/README.md"


def test_there_are_no_others() -> None:
    there = {str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*.json")}
    assert there == {*FILES, "conversation.json", "answer.json"}


@pytest.mark.parametrize("target", TARGETS, ids=NAMES.get)
def test_the_providers_sdk_could_have_sent_it(target: Wire) -> None:
    sdk.check_request(target, FILES[f"provider/{NAMES[target]}.json"].encode())
    for source in SOURCES:
        if source is not target:
            whole_round = json.loads(FILES[f"round/{NAMES[source]}-to-{NAMES[target]}.json"])
            sdk.check_request(target, json.dumps(whole_round["provider_request"]).encode())


@pytest.mark.parametrize("source", SOURCES, ids=NAMES.get)
def test_the_tools_sdk_could_have_sent_it_and_can_read_the_answer(source: Wire) -> None:
    sdk.check_request(source, tool_request(source))
    for target in TARGETS:
        if source is not target:
            whole_round = json.loads(FILES[f"round/{NAMES[source]}-to-{NAMES[target]}.json"])
            sdk.check_stream(source, ("\n\n".join(whole_round["tool_stream"]) + "\n\n").encode())
            sdk.check_answer(source, json.dumps(whole_round["tool_answer"]).encode())


def test_the_canonical_form_survives_its_json() -> None:
    for value in (conversation(), answer(Wire.MESSAGES)):
        assert from_json(json.loads(json.dumps(to_json(value)))) == value
