"""What a coding tool's file gives, and what it gets."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from way.agents import Defaults


class Launch:
    """One start of a tool, filled in by `Tool.configure`.

    `args` and `env` begin as the person's own; `base` is what the tool is to talk to: the gateway, or the
    loopback relay, whose key is `secret`.
    """

    __slots__ = ("args", "base", "cleanups", "defaults", "env", "folder", "interactive", "notices", "secret")

    def __init__(
        self,
        *,
        args: list[str],
        env: dict[str, str],
        base: str,
        secret: str,
        defaults: Defaults,
        folder: str,
        interactive: bool,
    ) -> None:
        self.args = args
        self.env = env
        self.base = base
        self.secret = secret
        """"" where the tool talks to the gateway itself."""
        self.defaults = defaults
        self.folder = folder
        """Where the tool is started: the project."""
        self.interactive = interactive
        self.notices: list[str] = []
        """Lines for the person, shown before the tool takes the terminal."""
        self.cleanups: list[Callable[[], object]] = []
        """Run when the tool has ended. Only a tool with `needs_relay` outlives its start."""

    def set(self, **variables: str) -> None:
        self.env.update(variables)

    def unset(self, names: tuple[str, ...], *, because: str) -> None:
        """Takes variables away from the tool, and says so where they held something."""
        gone = [name for name in names if self.env.pop(name, "")]
        if gone:
            self.notices.append(
                f"{', '.join(gone)} {'is' if len(gone) == 1 else 'are'} not passed on: {because}."
            )


class Finding:
    """Something in a project or the environment that would lead the tool elsewhere."""

    __slots__ = ("path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text


class Tool:
    """Base of all tools. `name` is the module's and the command's."""

    name = ""
    title = ""
    binary = ""
    install_hint = ""
    """The command that installs it."""
    surface = ""
    """The gateway's surface it speaks first, for `doctor --wire`."""
    needs_relay = False
    """It cannot ask for a fresh token by itself, so a loopback relay adds one to each request."""
    overriding: tuple[str, ...] = ()
    """Variables by which the tool, started without way, would go around the gateway."""

    def configure(self, launch: Launch) -> None:
        raise NotImplementedError

    def project_findings(self, folder: str) -> list[Finding]:
        """What files of this project would change where the tool sends requests, or run by themselves (S7)."""
        raise NotImplementedError

    def override_files(self) -> list[str]:
        """The user's own settings files that matter, for `doctor` to name."""
        return []
