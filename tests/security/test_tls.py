"""TLS on both sides of the gateway, with certificates that are right and wrong."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.traffic import WIRES
from tests.gateway import running_gateway
from tests.security.authority import Authority, tls_fronts
from tests.stage import Stage, fetch, sign_in, staged
from waystation.model import Wire
from waystation.policy import default_policy
from waystation.rehearsal import rehearsal_thread

pytestmark = pytest.mark.faults
_KINDS = ("trusted", "unknown", "misnamed", "expired", "unchecked", "plain")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway with a provider for each kind of certificate; each model has the name of its provider."""
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    with rehearsal_thread() as behind, contextlib.ExitStack() as stack:
        ports = stack.enter_context(
            tls_fronts(
                behind.port,
                ours.issue("127.0.0.1"),
                theirs.issue("127.0.0.1"),
                ours.issue("provider.example"),
                ours.issue("127.0.0.1", expired=True),
                theirs.issue("127.0.0.1"),
            )
        )
        addresses = dict(zip(_KINDS, [*ports, behind.port], strict=True))

        def policy(_: str) -> str:
            lines = ["version: 1", "providers:"]
            for name, port in addresses.items():
                lines.append(
                    f"  {name}: {{kind: anthropic, base_url: 'https://127.0.0.1:{port}/anthropic', "
                    f"credential: 'env:KEY', verify_tls: {str(name != 'unchecked').lower()}}}"
                )
            lines.append("models:")
            lines += [f"  {name}: {{routes: [{{provider: {name}}}]}}" for name in addresses]
            return "\n".join(lines) + "\n"

        env = {"KEY": "k", "SSL_CERT_FILE": str(ours.certificate)}
        running = stack.enter_context(staged(folder, policy=policy, env=env))
        running.provider = behind
        yield running


@pytest.mark.parametrize("model", ["trusted", "unchecked"])
def test_a_provider_with_a_certificate_that_we_trust_or_need_not_check_answers(
    stage: Stage, model: str
) -> None:
    for stream in (True, False):
        answer = stage.say(Wire.MESSAGES, model=model, stream=stream)
        assert answer.status == 200, answer.body
        assert stage.row(answer.headers["x-waystation-request-id"])["outcome"] == "complete"


@pytest.mark.parametrize(
    ("model", "reason"),
    [("unknown", "unable to get local issuer"), ("misnamed", "not valid for"), ("expired", "expired")],
)
def test_a_certificate_that_does_not_prove_the_provider_is_refused_before_anything_is_sent(
    stage: Stage, model: str, reason: str
) -> None:
    before = len(stage.provider.requests)
    answer = stage.say(Wire.MESSAGES, model=model)
    assert answer.status == 502
    assert "certificate that the gateway does not trust" in answer.json["error"]["message"]
    assert model in answer.json["error"]["message"], "it names the provider"
    row = stage.row(answer.headers["x-waystation-request-id"])
    assert (row["outcome"], row["usage_source"], row["cost_nano"]) == ("upstream_unreachable", "absent", 0)
    assert len(stage.provider.requests) == before
    assert reason in stage.gateway.log.read_text(), "operators are told why"


def test_a_provider_that_does_not_speak_tls_is_a_502(stage: Stage) -> None:
    before = len(stage.provider.requests)
    answer = stage.say(Wire.MESSAGES, model="plain")
    assert answer.status == 502
    assert "plain" in answer.json["error"]["message"]
    assert len(stage.provider.requests) == before


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_the_gateway_serves_https_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path, "ours")
    certificate, key = authority.issue("127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))  # what urllib trusts, too
    with rehearsal_thread(keyless=True) as provider:
        policy = tmp_path / "policy.yaml"
        policy.write_text(default_policy({}, provider.url))
        words = ("--policy", str(policy), "--tls-certificate", str(certificate), "--tls-key", str(key))
        with running_gateway(tmp_path / "data", *words) as gateway:
            assert gateway.url.startswith("https://")
            assert gateway.welcome.startswith("https://")
            stage = Stage(gateway, provider, sign_in(gateway.url, gateway.welcome))
            for wire in WIRES:
                for stream in (True, False):
                    answer = stage.say(wire, stream=stream)
                    assert answer.status == 200
                    assert stage.row(answer.headers["x-waystation-request-id"])["outcome"] == "complete"
            assert fetch(f"{gateway.url}/readyz").status == 200
            assert _spoken(stage.port, ssl.TLSVersion.TLSv1_2) in ("TLSv1.2", "TLSv1.3")
            with pytest.raises(ssl.SSLError):
                _spoken(stage.port, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1)
            with socket.create_connection(("127.0.0.1", stage.port), 5) as plain:
                plain.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                assert not plain.recv(1000).startswith(b"HTTP/1.1 200")
            assert fetch(f"{gateway.url}/healthz").status == 200
        assert "Traceback" not in gateway.log.read_text()


def _spoken(
    port: int, least: ssl.TLSVersion, most: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
) -> str | None:
    """The version of TLS that a client of those versions comes to with a server."""
    context = ssl.create_default_context()
    context.minimum_version, context.maximum_version = least, most
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        with context.wrap_socket(sock, server_hostname="127.0.0.1") as wrapped:
            return wrapped.version()
