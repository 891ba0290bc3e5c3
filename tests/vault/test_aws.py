"""AWS credentials and signatures."""

import copy
import datetime
import json
import pickle
import sys
from pathlib import Path

import pytest
from botocore import auth, awsrequest

from waystation.vault import SecretUnavailable, open_aws, resolve
from waystation.vault.aws_keys import AwsKeys
from waystation.vault.sigv4 import sign

_EXAMPLE = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
_DAY = datetime.datetime(2015, 8, 30, 12, 36, tzinfo=datetime.UTC).timestamp()
_NOW = 1_764_000_000.0
_NAME = "bedrock-runtime.eu-central-1.amazonaws.com"
_HOST = [(b"host", _NAME.encode())]


@pytest.fixture(autouse=True)
def no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
)
def test_the_examples_that_amazon_publishes(method: str, signature: str) -> None:
    """`get-vanilla` and `post-vanilla` of AWS's Signature Version 4 test suite."""
    headers = dict(
        sign(method, "https://example.amazonaws.com/", {}, b"", _EXAMPLE, "us-east-1", "service", _DAY)
    )
    assert headers[b"x-amz-date"] == b"20150830T123600Z"
    assert headers[b"authorization"].decode() == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )


def test_a_request_to_bedrock_is_signed_as_the_sdk_signs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = AwsKeys("AKIDEXAMPLE", "secret", "a-session-token")
    url = f"https://{_NAME}/model/arn%3Aaws%3Abedrock%3A%3A1%3Ainference-profile%2Feu.a-v1%3A0/converse"
    moment = datetime.datetime.fromtimestamp(_NOW, datetime.UTC)
    monkeypatch.setattr(auth, "get_current_datetime", lambda *_: moment)
    request = awsrequest.AWSRequest("POST", url, {"host": _NAME}, b'{"messages":[]}')
    auth.SigV4Auth(keys, "bedrock", "eu-central-1").add_auth(request)
    ours = dict(
        sign(
            "POST",
            url,
            {"host": _NAME},
            b'{"messages":[]}',
            keys,
            "eu-central-1",
            "bedrock",
            _NOW,
        )
    )
    assert ours[b"authorization"].decode() == request.headers["Authorization"]
    assert ours[b"x-amz-security-token"] == b"a-session-token"


def test_credentials_from_the_environment() -> None:
    env = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s1", "LAB_ACCESS_KEY_ID": "AKIA2"}
    env |= {"LAB_SECRET_ACCESS_KEY": "s2", "LAB_SESSION_TOKEN": "t2"}
    for reference, access, token in (("aws:env", "AKIA1", None), ("aws:env/LAB", "AKIA2", b"t2")):
        account = open_aws(reference, "eu-central-1", env)
        headers = dict(account.sign(b"POST", b"/model/m/converse", _HOST, b"{}", _NOW))
        assert f"Credential={access}/".encode() in headers[b"authorization"]
        assert b"/eu-central-1/bedrock/aws4_request" in headers[b"authorization"]
        assert headers.get(b"x-amz-security-token") == token


def test_the_signature_depends_on_all_that_it_should() -> None:
    account = open_aws("aws:env", "eu-central-1", {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"})
    base = (b"POST", b"/model/m/converse", _HOST, b"{}", _NOW)
    other = (
        (b"GET", *base[1:]),
        (b"POST", b"/model/n/converse", *base[2:]),
        (b"POST", b"/model/m/converse?x=1", *base[2:]),
        (*base[:2], [(b"host", b"another")], *base[3:]),
        (*base[:3], b"[]", _NOW),
        (*base[:4], _NOW + 60),
    )
    made = {dict(account.sign(*call))[b"authorization"] for call in (base, *other)}
    assert len(made) == 7
    same = (*base[:2], [*_HOST, (b"user-agent", b"x"), (b"content-length", b"2")], *base[3:])
    assert account.sign(*same) == account.sign(*base)


def test_credentials_from_a_profile(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id=AKIADEFAULT\naws_secret_access_key=s\n"
        "[team]\naws_access_key_id=AKIATEAM\naws_secret_access_key=s\naws_session_token=t\n"
    )
    for reference, access in (("aws:default", b"AKIADEFAULT"), ("aws:profile/team", b"AKIATEAM")):
        account = open_aws(reference, "us-east-1", {})
        headers = dict(account.sign(b"POST", b"/", _HOST, b"", _NOW))
        assert b"Credential=" + access + b"/" in headers[b"authorization"]


def test_keys_that_run_out_are_renewed_outside_the_hot_path(tmp_path: Path) -> None:
    script = tmp_path / "keys.py"
    counter = tmp_path / "count"
    script.write_text(
        "import json, datetime, pathlib\n"
        f"p = pathlib.Path({str(counter)!r})\n"
        "n = int(p.read_text()) + 1 if p.exists() else 1\n"
        "p.write_text(str(n))\n"
        "end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AKIA{n}', 'SecretAccessKey': 's', 'SessionToken': 't',"
        " 'Expiration': end.isoformat()}))\n"
    )
    (tmp_path / "config").write_text(f"[profile short]\ncredential_process = {sys.executable} {script}\n")
    account = open_aws("aws:profile/short", "us-east-1", {})

    def access() -> bytes:
        return dict(account.sign(b"POST", b"/", _HOST, b"", _NOW))[b"authorization"].split(b"/")[0]

    first = access()
    runs = counter.read_text()
    assert access() == first
    assert counter.read_text() == runs, "signing asks nobody"
    account.refresh()
    assert access() != first

    script.write_text("raise SystemExit(1)")
    last = access()
    account.refresh()
    account.refresh()
    assert access() == last, "the last keys stay until there are others"


@pytest.mark.parametrize(
    "reference",
    ["aws:default", "aws:profile/missing", "aws:env", "aws:env/LAB", "aws:what", "aws:default/x", "aws:"],
)
def test_what_is_not_there_is_told_by_reference(reference: str) -> None:
    with pytest.raises(SecretUnavailable, match=reference):
        open_aws(reference, "us-east-1", {"LAB_ACCESS_KEY_ID": "AKIA"})


def test_keys_that_cannot_stand_in_a_header() -> None:
    env = {"AWS_ACCESS_KEY_ID": "AKIA\r\nx: y", "AWS_SECRET_ACCESS_KEY": "s"}
    with pytest.raises(SecretUnavailable) as caught:
        open_aws("aws:env", "us-east-1", env)
    assert "AKIA" not in str(caught.value)


def test_aws_credentials_are_no_key_to_send() -> None:
    with pytest.raises(SecretUnavailable, match="sign requests"):
        resolve("aws:default", {})


def test_secrets_do_not_show() -> None:
    keys = AwsKeys("AKIAEXAMPLE", "the-secret", "the-token")
    assert "secret" not in repr(keys) + str(keys) + f"{keys}"
    assert "token" not in repr(keys)
    with pytest.raises(TypeError):
        pickle.dumps(keys)
    with pytest.raises(TypeError):
        copy.deepcopy(keys)
    assert json.dumps({"keys": repr(keys)})
