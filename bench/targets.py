"""What is measured: servers that answer the workload on loopback, each pinned to one core."""

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.workload import HEADERS, MODEL, TOKEN, bodies

UPSTREAM, NGINX, LITELLM, GATEWAY = 9100, 9200, 9201, 9300
"""Ports; all must be free."""

_NGINX = """worker_processes 1; daemon off; pid {tmp}/nginx.pid; error_log {tmp}/nginx.err error;
worker_rlimit_nofile 20000; events {{ worker_connections 16000; }}
http {{ access_log off; client_body_buffer_size 1m; client_max_body_size 64m; keepalive_requests 100000000;
 client_body_temp_path {tmp}/b; proxy_temp_path {tmp}/p; fastcgi_temp_path {tmp}/f; uwsgi_temp_path {tmp}/u;
 scgi_temp_path {tmp}/s; map $http_authorization $ok {{ default 0; "Bearer {token}" 1; }}
 upstream m {{ server 127.0.0.1:{up}; keepalive 4096; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ if ($ok = 0) {{ return 401; }}
  proxy_pass http://m; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
  proxy_set_header Authorization ""; proxy_set_header x-api-key sk-upstream; }} }} }}
"""
_LITELLM = """model_list:
  - model_name: {model}
    litellm_params: {{model: anthropic/{model}, api_base: "http://127.0.0.1:{up}", api_key: sk-upstream}}
general_settings: {{master_key: {token}}}
litellm_settings: {{telemetry: false}}
"""
_POLICY = """version: 1
providers:
  mock:
    kind: anthropic-compatible
    base_url: http://127.0.0.1:{up}
    price_provider: anthropic
models:
  {model}:
    routes: [{{provider: mock}}]
access:
  default: allow
"""


class NotUp(RuntimeError):
    """The target could not be started, or never answered 200."""


class Target:
    """A server that answers `POST path` on 127.0.0.1:`port`; started here if it has a command."""

    def __init__(
        self,
        name: str,
        port: int,
        command: Sequence[str] = (),
        path: str = "/v1/messages",
        token: str = TOKEN,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.port, self.command, self.path = name, port, list(command), path
        self._headers = HEADERS | {"authorization": f"Bearer {token}"}
        self._env = dict(env or {})
        self.process: subprocess.Popen[bytes] | None = None
        self.files: dict[str, Path] = {}
        """One whole request a workload, as the load generator sends it."""

    def prepare(self, tmp: Path) -> None:
        for key, body in bodies().items():
            headers = self._headers | {"content-length": str(len(body))}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self.files[key] = tmp / f"{self.name}.{key}"
            self.files[key].write_bytes(f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    def start(self, tmp: Path, core: int) -> None:
        """Raises NotUp with the end of the target's log."""
        log = tmp / f"{self.name}.log"
        if self.command:
            with socket.socket() as probe:  # else the numbers would be those of whatever answers there
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    raise NotUp(f"{self.name}: port {self.port} is in use")
            with log.open("wb") as out:
                self.process = subprocess.Popen(
                    ["taskset", "-c", str(core), *self.command],
                    stdout=out,
                    stderr=out,
                    env=os.environ | self._env,
                    start_new_session=True,
                )
        limit = time.monotonic() + 90
        while (status := self._probe()) != 200:
            if time.monotonic() > limit or (self.process and self.process.poll() is not None):
                said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                raise NotUp(f"{self.name}: no 200 from :{self.port}{self.path} (last: {status})\n{said}")
            time.sleep(0.3)

    def _probe(self) -> int:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                s.sendall(self.files["2k"].read_bytes())
                return int(s.recv(65536).split()[1])
        except (OSError, IndexError, ValueError):
            return 0

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def _tree(self) -> list[int]:
        """The pids of the started command and all that descends from it."""
        if not self.process:
            return []
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    found = re.search(r"\) \S (\d+)", (entry / "stat").read_text())
                except OSError:
                    continue
                if found:
                    parents[int(entry.name)] = int(found[1])
        tree = [self.process.pid]
        for pid in tree:
            tree += [child for child, parent in parents.items() if parent == pid]
        return tree

    def cpu_seconds(self) -> float:
        """CPU time of the whole process tree so far: lake writer and helpers count as well."""
        return sum(cpu_ticks(pid) for pid in self._tree()) / os.sysconf("SC_CLK_TCK")

    def memory_kb(self) -> int:
        """Proportional set size of the whole process tree."""
        total = 0
        for pid in self._tree():
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            if found := re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE):
                total += int(found[1])
        return total


def cpu_ticks(pid: int) -> int:
    """User and system clock ticks of one process; 0 once it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def direct() -> Target:
    return Target("direct", UPSTREAM)


def nginx(binary: str, tmp: Path) -> Target:
    """A proxy that compares one token and does nothing else: the floor."""
    config = tmp / "nginx.conf"
    config.write_text(_NGINX.format(tmp=tmp, token=TOKEN, up=UPSTREAM, port=NGINX))
    return Target("nginx", NGINX, [binary, "-c", str(config)])


def litellm(binary: str, tmp: Path) -> Target:
    """LiteLLM's proxy in production mode, one worker, no database."""
    config = tmp / "litellm.yaml"
    config.write_text(_LITELLM.format(up=UPSTREAM, token=TOKEN, model=MODEL))
    command = [
        binary,
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(LITELLM),
        "--num_workers",
        "1",
    ]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
    return Target("litellm", LITELLM, command, env=env)


def waystation(binary: str, tmp: Path) -> Target:
    """The gateway as it is run: signed token, plan, prices, synced journal, lake writer; one worker."""
    data, policy, url = tmp / "data", tmp / "policy.yaml", f"http://127.0.0.1:{GATEWAY}"
    policy.write_text(_POLICY.format(up=UPSTREAM, model=MODEL))
    mint = [binary, "token", "mint", "--user", "bench", "--ttl", "1h", "--data", str(data), "--base-url", url]
    token = subprocess.run(mint, check=True, capture_output=True, text=True).stdout.strip()
    command = [binary, "serve", "--data", str(data), "--port", str(GATEWAY), "--policy", str(policy)]
    return Target("waystation", GATEWAY, command, path="/anthropic/v1/messages", token=token)


def extra(name: str, port: str, command: str) -> Target:
    """Another gateway in front of the mock, given as NAME PORT COMMAND."""
    return Target(name, int(port), shlex.split(command))
