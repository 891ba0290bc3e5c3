"""A started tool cannot tell way from a shell: arguments, environment, exit code, signals, terminal."""

import json
import os
import pty
import select
import signal
import sys
import termios
import time
from pathlib import Path

import pytest
from tests.way.conftest import COMMAND, Laptop
from tests.way.gateway_double import Double

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals as Unix has them")

TELL = """\
import json, os, signal, sys
told = {"args": sys.argv[1:], "env": dict(os.environ), "pid": os.getpid(), "stdin": sys.stdin.read(),
        "ignored": [s.name for s in signal.Signals if signal.getsignal(s) == signal.SIG_IGN]}
print(json.dumps(told))
sys.exit(7)
"""
"""A tool that says how it was started."""
BOTH = pytest.mark.parametrize("name", ["claude", "opencode"])
"""One that replaces way, and one that runs beside the relay."""


@BOTH
def test_arguments_input_output_and_exit_code_pass_through(signed_in: Laptop, name: str) -> None:
    signed_in.tool(name, TELL)
    args = ["-p", "two words", "--json", "", "--", "ünï", "$HOME", "--help"]
    done = signed_in.way(name, *args, stdin="some input")
    assert done.returncode == 7
    told = json.loads(done.stdout)
    assert told["args"][-len(args) :] == args
    assert told["stdin"] == "some input"
    assert done.stderr == ""


@BOTH
def test_the_tool_ignores_no_signal_that_python_ignores(signed_in: Laptop, name: str) -> None:
    """A pipe that is closed must end the tool, as it would without way (Python's own start ignores two)."""
    signed_in.tool(
        name, "import os; print(open('/proc/self/status').read())" if sys.platform == "linux" else TELL
    )
    out = signed_in.way(name).stdout
    if sys.platform == "linux":
        ignored = int(next(line.split()[1] for line in out.splitlines() if line.startswith("SigIgn")), 16)
        # the tool is Python as well and ignores SIGPIPE and SIGXFSZ itself; 32 and 33 are the C library's own
        known = (signal.SIGPIPE, signal.SIGXFSZ, 32, 33)
        assert ignored & ~sum(1 << (number - 1) for number in known) == 0


@BOTH
def test_a_closed_pipe_ends_the_tool(signed_in: Laptop, name: str) -> None:
    (signed_in.bin / name).write_text("#!/bin/sh\nwhile :; do echo line; done\n")
    (signed_in.bin / name).chmod(0o755)
    process = signed_in.start(name)
    assert process.stdout is not None
    assert process.stdout.readline() == "line\n"
    process.stdout.close()
    assert process.wait(20) == -signal.SIGPIPE


def test_a_tool_with_a_token_helper_replaces_way(signed_in: Laptop) -> None:
    signed_in.tool("claude", "import os; print(os.getpid(), flush=True)")
    process = signed_in.start("claude")
    assert int(process.communicate(timeout=20)[0]) == process.pid


@BOTH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_way_reaches_the_tool_and_way_dies_as_it_died(
    signed_in: Laptop, name: str, number: signal.Signals
) -> None:
    signed_in.tool(
        name,
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\nprint('up', flush=True)\ntime.sleep(60)",
    )
    process = signed_in.start(name, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    assert process.wait(20) == -number


def test_a_tool_that_handles_its_signal_decides_the_exit_code(signed_in: Laptop) -> None:
    signed_in.tool(
        "opencode",
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(42))\nprint('up', flush=True)\ntime.sleep(60)",
    )
    process = signed_in.start("opencode")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 42


SHELL = """\
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(job, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        sys.exit(f"shell: exit {os.waitstatus_to_exitcode(status)}")
    print("shell: stopped", flush=True)
    alone = input() == "way alone"
    os.tcsetpgrp(0, job)
    os.kill(job if alone else -job, signal.SIGCONT)
"""
"""What an interactive shell does with a job in the foreground; after a stop, any line means `fg`."""


class Terminal:
    """way as the foreground job of a shell in a terminal of its own."""

    def __init__(self, laptop: Laptop, *words: str) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(laptop.project)
            os.execve(COMMAND[0], [sys.executable, "-ISc", SHELL, *COMMAND, *words], laptop.env)
        self.seen = b""

    def until(self, text: bytes, patience: float = 20.0) -> None:
        deadline = time.monotonic() + patience
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            try:
                self.seen += os.read(self.master, 4096)
            except OSError:  # the terminal's last process has ended
                raise AssertionError(f"no {text!r} in {self.seen!r}") from None

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def ends_with(self, code: int) -> None:
        self.until(b"shell: exit %d\r\n" % code)
        os.waitpid(self.pid, 0)
        os.close(self.master)


@BOTH
def test_the_tool_has_the_terminal_and_its_size(signed_in: Laptop, name: str) -> None:
    signed_in.tool(
        name,
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n"
        "print('tty', *[os.isatty(n) for n in (0, 1, 2)], os.tcgetpgrp(0) == os.getpgrp(), flush=True)\n"
        "signal.sigwait([signal.SIGWINCH])\n"
        "print('size', *os.get_terminal_size(), flush=True)\n"
        "print('got', input(), flush=True)\n",
    )
    terminal = Terminal(signed_in, name)
    terminal.until(b"tty True True True True")
    termios.tcsetwinsize(terminal.master, (33, 111))
    terminal.until(b"size 111 33")
    terminal.type(b"typed\n")
    terminal.until(b"got typed")
    terminal.ends_with(0)


@BOTH
def test_ctrl_c_reaches_the_tool_once(signed_in: Laptop, name: str) -> None:
    signed_in.tool(
        name,
        "import signal, sys, time\n"
        "hits = []\n"
        "signal.signal(signal.SIGINT, lambda *_: hits.append(1))\n"
        "print('up', flush=True)\n"
        "input()\n"
        "print('hits', len(hits), flush=True)\n"
        "sys.exit(3)\n",
    )
    terminal = Terminal(signed_in, name)
    terminal.until(b"up")
    terminal.type(b"\x03")
    terminal.until(b"^C")
    terminal.type(b"\n")
    terminal.until(b"hits 1")
    terminal.ends_with(3)


@BOTH
def test_ctrl_z_stops_it_for_the_shell_and_fg_goes_on(signed_in: Laptop, name: str) -> None:
    signed_in.tool(name, "print('up', flush=True)\nprint('got', input(), flush=True)\n")
    terminal = Terminal(signed_in, name)
    terminal.until(b"up")
    terminal.type(b"\x1a")
    terminal.until(b"shell: stopped")
    terminal.type(b"fg\n")
    terminal.type(b"on\n")
    terminal.until(b"got on")
    terminal.ends_with(0)


def test_a_tool_that_stops_itself_alone_stops_way_too(signed_in: Laptop) -> None:
    """Tools that keep the terminal in raw mode read Ctrl-Z as a key, restore the terminal and stop themselves."""
    signed_in.tool(
        "opencode",
        "import os, signal\nprint('up', flush=True)\nos.kill(os.getpid(), signal.SIGSTOP)\nprint('on again', flush=True)\n",
    )
    terminal = Terminal(signed_in, "opencode")
    terminal.until(b"up")
    terminal.until(b"shell: stopped")
    terminal.type(b"way alone\n")  # continues way, which passes it on
    terminal.until(b"on again")
    terminal.ends_with(0)


RELAYED = """\
import json, os, urllib.request
config = json.loads(os.environ["OPENCODE_CONFIG_CONTENT"])
options = config["provider"]["waystation"]["options"]
request = urllib.request.Request(options["baseURL"] + "/chat/completions", data=b"a body", headers={"Authorization": "Bearer " + options["apiKey"]})
told = json.load(urllib.request.urlopen(request))
print(json.dumps({"told": told, "key": options["apiKey"], "base": options["baseURL"]}))
"""


def test_a_tool_behind_the_relay_reaches_the_gateway_with_a_token_it_never_sees(
    signed_in: Laptop, double: Double
) -> None:
    signed_in.tool("opencode", RELAYED)
    done = signed_in.way("opencode")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert dict(result["told"]["headers"])["Authorization"] == "Bearer access-1"
    assert result["told"]["target"] == "/openai/v1/chat/completions"
    assert result["base"].startswith("http://127.0.0.1:")
    assert "access-1" not in result["key"]
    assert done.stderr == ""


def test_the_relay_renews_a_token_that_the_gateway_refused(signed_in: Laptop, double: Double) -> None:
    double.refused_tokens.add("access-1")
    signed_in.tool("opencode", RELAYED)
    result = json.loads(signed_in.way("opencode").stdout)
    assert dict(result["told"]["headers"])["Authorization"] == "Bearer access-2"
    assert double.refreshes == 1


def test_a_proxy_in_the_environment_is_not_asked_for_this_machine(signed_in: Laptop) -> None:
    signed_in.tool("opencode", RELAYED)
    done = signed_in.way(
        "opencode",
        env={"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "no_proxy": "a.example"},
    )
    assert done.returncode == 0, done.stderr


def test_a_tool_that_is_not_installed(signed_in: Laptop) -> None:
    done = signed_in.way("gemini", env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 127
    assert (
        done.stderr
        == "way: Gemini CLI is not installed; install it with `npm install -g @google/gemini-cli`.\n"
    )


def test_a_tool_elsewhere_is_named_by_a_variable(signed_in: Laptop, tmp_path: Path) -> None:
    elsewhere = signed_in.tool("claude", "print('here')").rename(tmp_path / "other")
    assert signed_in.way("claude", env={"WAY_CLAUDE_BIN": str(elsewhere)}).stdout == "here\n"


def test_a_tool_in_a_usual_place_is_found_without_path(signed_in: Laptop) -> None:
    place = signed_in.home / ".npm-global" / "bin"
    place.mkdir(parents=True)
    signed_in.tool("codex", "print('here')").rename(place / "codex")
    assert signed_in.way("codex").stdout == "here\n"


def test_what_is_no_tool(laptop: Laptop) -> None:
    for word in ("emacs", "tool", "projects", "../x", "__init__", ""):
        done = laptop.way(word)
        assert done.returncode == 2
        assert done.stderr == f"way: way knows no command or tool {word!r}; `way help` lists them.\n"


def test_without_a_terminal_nobody_is_asked_to_sign_in(laptop: Laptop, double: Double) -> None:
    laptop.tool("claude", "print('must not start')")
    done = laptop.way("claude", env={"WAY_GATEWAY": double.url})
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "way: You are not signed in; run `way login`.\n"
    assert double.seen == []


def test_the_first_start_signs_in_first(laptop: Laptop, double: Double) -> None:
    laptop.tool("claude", "print('at work', flush=True)")
    laptop.env["WAY_GATEWAY"] = double.url
    terminal = Terminal(laptop, "claude")
    terminal.until(b"You are not signed in, so that comes first.")
    terminal.until(b"BCDF-GHJK")
    terminal.until(b"at work")
    terminal.ends_with(0)


def test_a_tool_starts_though_the_gateway_is_away(signed_in: Laptop, double: Double) -> None:
    """`claude --version`, say: the tool may have things to do without a model."""
    signed_in.tool("claude", "print('at work')")
    signed_in.way("claude")
    signed_in.let_token_age(-1)
    double.token_status = 503
    done = signed_in.way("claude")
    assert (done.returncode, done.stdout) == (0, "at work\n")
    assert "try again in a moment" in done.stderr


def test_models_are_asked_for_once_and_renewed_behind_the_start(signed_in: Laptop, double: Double) -> None:
    signed_in.tool("claude", "import os; print(os.environ['ANTHROPIC_MODEL'])")
    assert signed_in.way("claude").stdout == "claude-one\n"
    assert double.requests("/api/v1/agents") == [], "they came with the sign-in"
    double.agents["claude"]["model"] = "claude-two"
    kept = signed_in.way_home / "agents.json"
    os.utime(kept, (time.time() - 700, time.time() - 700))
    assert signed_in.way("claude").stdout == "claude-one\n", "the start does not wait for the answer"
    deadline = time.monotonic() + 20
    while "claude-two" not in kept.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # until the renewal, which nobody waits for, is done
    assert signed_in.way("claude").stdout == "claude-two\n"
