"""Amazon Bedrock as a provider: regions, addresses, and two ways to prove who we are."""

import pytest

from tests.policy.documents import BOB, faults, plan_of, read
from waystation.model import AuthScheme, Operation, Refusal, Wire
from waystation.policy import Endpoint, Plan, compile_plan
from waystation.wire.translate import translatable

_ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2"


def _plan(*lines: str) -> Plan:
    provider = "".join(f"    {line}\n" for line in ("kind: bedrock", *lines))
    return plan_of(
        f"version: 1\nproviders:\n  aws:\n{provider}"
        "models:\n  claude:\n    routes: [{provider: aws, model: eu.anthropic.claude-opus-4-6-v1:0}]\n"
        f'  profile:\n    routes: [{{provider: aws, model: "{_ARN}"}}]\n'
    )


def _endpoint(plan: Plan, model: str, operation: Operation, *, stream: bool = False) -> Endpoint:
    routes = dict(plan.named_routes())
    endpoint = plan.endpoint(routes[model], Wire.CONVERSE, operation, stream)
    assert endpoint is not None
    return endpoint


def test_addresses_are_of_the_region_and_the_model_is_encoded() -> None:
    plan = _plan("region: eu-central-1", "credential: aws:default")
    endpoint = _endpoint(plan, "claude", Operation.GENERATE)
    assert endpoint.host == "bedrock-runtime.eu-central-1.amazonaws.com"
    assert endpoint.authority == b"bedrock-runtime.eu-central-1.amazonaws.com"
    assert (endpoint.port, endpoint.tls) == (443, True)
    assert endpoint.target == b"/model/eu.anthropic.claude-opus-4-6-v1%3A0/converse"
    streamed = _endpoint(plan, "profile", Operation.GENERATE, stream=True)
    assert streamed.target == (
        b"/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2"
        b"/converse-stream"
    )
    counted = _endpoint(plan, "claude", Operation.COUNT_TOKENS)
    assert counted.target == b"/model/eu.anthropic.claude-opus-4-6-v1%3A0/count-tokens"


def test_models_are_listed_by_another_host() -> None:
    listed = _endpoint(_plan("region: us-east-1", "credential: aws:default"), "claude", Operation.LIST_MODELS)
    assert (listed.host, listed.target) == ("bedrock.us-east-1.amazonaws.com", b"/foundation-models")
    own = _plan("base_url: http://127.0.0.1:8099/bedrock", "region: us-east-1", "credential: aws:env")
    listed = _endpoint(own, "claude", Operation.LIST_MODELS)
    assert (listed.host, listed.port, listed.target) == ("127.0.0.1", 8099, b"/bedrock/foundation-models")


@pytest.mark.parametrize(
    ("credential", "auth"),
    [
        ("aws:default", AuthScheme.SIGV4),
        ("aws:profile/team-a", AuthScheme.SIGV4),
        ("aws:env", AuthScheme.SIGV4),
        ("aws:env/TEAM", AuthScheme.SIGV4),
        ("env:AWS_BEARER_TOKEN_BEDROCK", AuthScheme.BEARER),
        ("file:/run/secrets/bedrock", AuthScheme.BEARER),
    ],
)
def test_credentials_sign_and_keys_are_sent(credential: str, auth: AuthScheme) -> None:
    provider = _plan("region: us-east-1", f"credential: {credential}").providers["aws"]
    assert (provider.auth, provider.credential, provider.region) == (auth, credential, "us-east-1")


@pytest.mark.parametrize(
    ("base_url", "region"),
    [
        ("https://bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", "us-east-1"),
    ],
)
def test_the_region_is_known_from_amazons_own_hosts(base_url: str, region: str) -> None:
    provider = _plan(f"base_url: {base_url}", "credential: aws:default").providers["aws"]
    assert (provider.base_url, provider.region) == (base_url, region)


def _faults(*lines: str) -> list[tuple[str, str]]:
    text = "version: 1\nproviders:\n  p:\n" + "".join(f"    {line}\n" for line in lines)
    return [(field, message) for _, _, field, message in faults(text)]


def test_a_region_is_needed() -> None:
    missing = [("providers.p", "the field `region` is missing; e.g. `region: eu-central-1`")]
    assert _faults("kind: bedrock", "credential: aws:default") == missing
    assert _faults("kind: bedrock", "credential: env:KEY") == missing
    proxy = "base_url: https://proxy.example.com"
    assert _faults("kind: bedrock", proxy, "credential: aws:default") == missing
    assert _faults("kind: bedrock", proxy, "credential: env:KEY") == []


def test_credentials_of_aws_are_for_aws() -> None:
    [(field, message)] = _faults("kind: openai", "credential: aws:default")
    assert (field, message) == ("providers.p.credential", "the kind openai takes a key, not AWS credentials")
    [(field, _)] = _faults("kind: openai", "credential: env:KEY", "region: us-east-1")
    assert field == "providers.p.region"


@pytest.mark.parametrize("reference", ["aws:", "aws:what", "aws:env/a b", "aws:profile/", "aws:default/x"])
def test_other_references_are_refused(reference: str) -> None:
    [(field, message)] = _faults("kind: bedrock", "region: us-east-1", f'credential: "{reference}"')
    assert field == "providers.p.credential"
    assert "aws:default" in message


def test_every_tool_reaches_bedrock_by_translation() -> None:
    document = read(
        "version: 1\nproviders:\n  aws: {kind: bedrock, region: us-east-1, credential: aws:default}\n"
        "models:\n  claude:\n    routes: [{provider: aws, model: anthropic.claude-x}]\n"
    )
    plan = compile_plan(document, version=1, translatable=translatable)
    for wire in (Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE):
        resolution = plan.resolve(BOB, wire, Operation.GENERATE, "claude")
        assert not isinstance(resolution, Refusal)
        endpoint = plan.endpoint(resolution.routes[0], wire, Operation.GENERATE, True)
        assert endpoint is not None
        assert endpoint.wire is Wire.CONVERSE
        assert endpoint.target == b"/model/anthropic.claude-x/converse-stream"


def test_the_rehearsal_provider_speaks_converse_where_a_policy_says_so() -> None:
    plan = plan_of(
        "version: 1\nproviders:\n"
        "  r: {kind: rehearsal, base_url: 'http://127.0.0.1:1', wires: [bedrock.converse]}\n"
        "models:\n  claude:\n    routes: [{provider: r}]\n"
    )
    endpoint = _endpoint(plan, "claude", Operation.GENERATE, stream=True)
    assert endpoint.target == b"/bedrock/model/claude/converse-stream"
