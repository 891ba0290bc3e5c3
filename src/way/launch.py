"""Starting a tool so that it cannot tell way from a shell: its arguments, terminal, signals and exit code.

A tool that talks to the gateway itself replaces way (exec): nothing of way is left. A tool that needs the
loopback relay becomes way's child in the same process group, so that the terminal's signals and job control
reach it by themselves; way then only mirrors what happens to it.
"""

from __future__ import annotations

import os
import signal
import sys

from way import agents, files, session, tools
from way.errors import ToolMissing
from way.tools.tool import Launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket
    from subprocess import Popen

    from way.session import Session
    from way.tools.tool import Tool

if sys.platform != "win32":
    _FORWARDED = frozenset({signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
    """Signals that somebody sends to way and means for the tool."""
    _FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP})
    """Signals that a terminal sends to the whole process group: the tool has had them already."""


def start(tool: Tool, args: list[str], sign_in: Callable[[], Session]) -> int:
    """Starts the tool; returns its exit code, or does not return where the tool replaces way.

    `sign_in` gives the session, after signing in if need be; it is not asked where the tool is not there.
    """
    program = tools.executable(tool, dict(os.environ))
    if not program:
        raise ToolMissing(f"{tool.title} is not installed; install it with `{tool.install_hint}`.")
    signed_in = sign_in()
    for left in files.sweep():
        _say(f"Put {left.path} back as it was: the session that changed it did not end in order.")
    listener, secret = listen() if tool.needs_relay else (None, "")
    launch = Launch(
        args=list(args),
        env=dict(os.environ),
        base=signed_in.gateway if listener is None else address(listener),
        secret=secret,
        defaults=agents.defaults_for(tool.name, signed_in),
        folder=os.getcwd(),
        interactive=sys.stdin.isatty(),
    )
    try:
        tool.configure(launch)
        for notice in launch.notices:
            _say(notice)
        if listener is not None:
            keep_off_proxies(launch.env)
            return _run_with_relay(tool.name, program, launch, listener, signed_in)
        if sys.platform == "win32":
            return _run_on_windows(program, launch)
        _become(program, launch)
    finally:
        for cleanup in launch.cleanups:
            cleanup()
    raise AssertionError("exec does not return")


def listen() -> tuple[socket, str]:
    """The relay's socket, open before the tool starts: its first connection waits there if it is early."""
    import socket

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener, f"way-{os.urandom(24).hex()}"


def address(listener: socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def keep_off_proxies(env: dict[str, str]) -> None:
    """Where the person's environment names a proxy, the tool must not ask it for our loopback address."""
    if not any(env.get(name) for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")):
        return
    for name in ("NO_PROXY", "no_proxy"):
        listed = [item for item in env.get(name, "").split(",") if item]
        env[name] = ",".join([*listed, *(h for h in ("127.0.0.1", "localhost") if h not in listed)])


def _say(line: str) -> None:
    print(f"way: {line}", file=sys.stderr, flush=True)


def _command(program: str, launch: Launch) -> list[str]:
    return [program, *launch.args]


def _become(program: str, launch: Launch) -> None:
    """Replaces this process. Python ignores some signals, and what is ignored would stay so in the tool."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(program, _command(program, launch), launch.env)  # noqa: S606 - the tool itself, no shell wanted


def _run_with_relay(tool: str, program: str, launch: Launch, listener: socket, signed_in: Session) -> int:
    """The tool first, the relay second: the tool takes longer to start than the relay to be ready."""
    if sys.platform == "win32":
        process = _spawn_on_windows(program, launch)
        _start_relay(tool, listener, launch.secret, signed_in)
        return process.wait()
    watched = {signal.SIGCHLD, *_FORWARDED, *_FROM_TERMINAL}
    signal.signal(
        signal.SIGCHLD, lambda *_: None
    )  # else some systems drop it, and some reap the tool themselves
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    child = os.posix_spawn(
        program,
        _command(program, launch),
        launch.env,
        setsigmask=before,
        setsigdef={signal.SIGPIPE, signal.SIGXFSZ},
    )
    _start_relay(tool, listener, launch.secret, signed_in)
    return _follow(child, watched)


def _start_relay(tool: str, listener: socket, secret: str, signed_in: Session) -> None:
    import threading

    from way import relay

    thread = threading.Thread(
        target=relay.run, args=(listener, signed_in.gateway, secret, session.fresh_token, tool), daemon=True
    )
    thread.start()


def _follow(child: int, watched: set[signal.Signals]) -> int:
    """Mirrors the tool until it ends. The signals are blocked in every thread and taken here one by one, so that
    none can slip in between two system calls. Returns the exit code, or minus the signal that ended the tool."""
    while True:
        number = signal.sigwait(watched)
        if number == signal.SIGCHLD:
            code = _state_of(child)
            if code is not None:
                return code
        elif number in _FORWARDED or not _has_the_terminal():
            _kill(child, number)


def _state_of(child: int) -> int | None:
    """Its exit code if it has ended. Where it has only stopped, way stops as well, until it is continued."""
    while True:
        process, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if process == 0:
            return None
        if os.WIFSIGNALED(status):
            return -os.WTERMSIG(status)
        if os.WIFEXITED(status):
            return os.WEXITSTATUS(status)
        os.kill(os.getpid(), signal.SIGSTOP)  # the shell sees its job stop; here we are continued again
        _kill(child, signal.SIGCONT)


def _has_the_terminal() -> bool:
    """Whether we are the terminal's foreground job, so that what is typed there reaches the tool as well."""
    for stream in (0, 1, 2):
        try:
            return os.tcgetpgrp(stream) == os.getpgrp()
        except OSError:
            continue
    return False


def _kill(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def die_like(number: int) -> None:
    """Ends this process by the signal that ended the tool, without a second core dump."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


def _run_on_windows(program: str, launch: Launch) -> int:
    """Windows has no exec: way waits beside the tool."""
    return _spawn_on_windows(program, launch).wait()


def _spawn_on_windows(program: str, launch: Launch) -> Popen[bytes]:
    import subprocess

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the tool's
    return subprocess.Popen(_command(program, launch), env=launch.env)
