"""S14: where the gateway's own requests may go."""

import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from waystation.egress import Reach, Unreachable, allowed, fetch_json


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.0.1", False, True),
        ("172.16.9.9", False, True),
        ("fd12::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("64:ff9b::a00:1", False, True),
        ("2002:a00:1::", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("fd00:ec2::254", False, False),
        ("100.100.100.200", False, False),
        ("169.254.1.1", False, False),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("100.64.0.1", False, False),
    ],
)
def test_S14_addresses_by_reach(address: str, public: bool, private: bool) -> None:
    assert (allowed(address, Reach.PUBLIC), allowed(address, Reach.PRIVATE)) == (public, private)


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("location", "http://169.254.169.254/latest/meta-data/")
            self.end_headers()
            return
        body = (
            b"[" + b"1," * 600_000 + b"1]"
            if self.path == "/large"
            else b'{"host": "%b"}' % (self.headers["host"].encode())
        )
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_S14_a_private_address_is_only_asked_where_that_is_allowed(port: int) -> None:
    assert fetch_json(f"http://localhost:{port}/", Reach.PRIVATE) == {"host": f"localhost:{port}"}
    with pytest.raises(Unreachable, match="only https"):
        fetch_json(f"http://127.0.0.1:{port}/", Reach.PUBLIC)
    with pytest.raises(Unreachable, match="does not connect to"):
        fetch_json(f"https://127.0.0.1:{port}/", Reach.PUBLIC)


def test_S14_redirects_are_not_followed_and_answers_are_bounded(port: int) -> None:
    with pytest.raises(Unreachable, match="status 302"):
        fetch_json(f"http://127.0.0.1:{port}/redirect", Reach.PRIVATE)
    with pytest.raises(Unreachable, match="ReadError"):
        fetch_json(f"http://127.0.0.1:{port}/large", Reach.PRIVATE)


def test_S14_a_name_with_one_bad_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(host: str, port: int, **_: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("93.184.216.34", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with pytest.raises(Unreachable, match=r"10\.0\.0\.1"):
        fetch_json("https://rebound.example/", Reach.PUBLIC)
