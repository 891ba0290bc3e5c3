"""The relay's way to the gateway: TLS that is checked, and a company's proxy."""

import asyncio
import base64
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.way.relay_fixture import Reader, Request, Writer, bench, ok, replies
from tests.way.test_relay import message, never, status


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """(PEM of a company's own authority, a server context for `localhost` that it vouches for)"""
    folder = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A company")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("gateway.example")]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "ca.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


async def tls_server(context: ssl.SSLContext, seen: list[Request]) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(replies(ok(b"secure"), into=seen), "127.0.0.1", 0, ssl=context)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("variable", ["WAY_CA_FILE", "NODE_EXTRA_CA_CERTS"])
async def test_a_companys_own_authority_is_trusted_once_it_is_named(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority[0]))
    seen: list[Request] = []
    server, port = await tls_server(authority[1], seen)
    async with bench(never, gateway=f"https://localhost:{port}") as b:
        client = await b.connect()
        for _ in range(2):
            await client.send(body=b"x" * 300_000)
            assert (await client.answer())[1] == b"secure"
    server.close()
    assert seen[0].header(b"host") == f"localhost:{port}".encode()
    assert len(seen[0].body) == 300_000


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_certificate_that_nobody_vouches_for_or_of_another_name_is_refused(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    if host == "127.0.0.1":
        monkeypatch.setenv("WAY_CA_FILE", str(authority[0]))
    seen: list[Request] = []
    server, port = await tls_server(authority[1], seen)
    async with bench(never, gateway=f"https://{host}:{port}") as b:
        answer = await b.ask()
        assert status(answer) == 502
        assert "is not trusted" in message(answer)
    server.close()
    assert seen == [], "no token was sent"


async def test_the_companys_proxy_is_used_for_a_gateway_elsewhere(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Request] = []
    asked: list[bytes] = []
    server, port = await tls_server(authority[1], seen)

    async def proxy(reader: Reader, writer: Writer) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: Reader, sink: Writer) -> None:
            while data := await source.read(65_536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, inner), pump(inner_reader, writer))

    middle = await asyncio.start_server(proxy, "127.0.0.1", 0)
    address = f"http://ada:p%40ss@127.0.0.1:{middle.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("HTTPS_PROXY", address)
    monkeypatch.setenv("https_proxy", address)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("WAY_CA_FILE", str(authority[0]))
    async with bench(never, gateway="https://gateway.example") as b:
        client = await b.connect()
        await client.send(body=b"hello")
        assert (await client.answer())[1] == b"secure"
        client.close()
    middle.close()
    server.close()
    assert asked[0].startswith(b"CONNECT gateway.example:443 HTTP/1.1\r\n")
    assert base64.b64encode(b"ada:p@ss") in asked[0]
    assert b"token" not in asked[0]
    assert seen[0].body == b"hello"


async def test_a_proxy_that_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    middle = await asyncio.start_server(proxy, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{middle.sockets[0].getsockname()[1]}"
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, address)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    async with bench(never, gateway="https://gateway.example") as b:
        assert status(await b.ask()) == 502
    middle.close()
