"""`aws:` references: AWS credentials of every kind, and requests signed with them.

`aws:default` is botocore's own chain (environment, shared files, SSO, roles of containers and machines);
`aws:profile/NAME` a profile of the shared files, with whatever it says (a role to assume, an SSO session, a
process to ask); `aws:env` the three variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and
`aws:env/PREFIX` three others that begin with PREFIX_ instead of AWS_.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from waystation.vault.aws_keys import AwsKeys
from waystation.vault.references import SecretUnavailable

_log = logging.getLogger("waystation.vault")
SERVICE = "bedrock"
"""The name that Bedrock's signatures are made for (`signingName` in botocore's model)."""


class AwsAccount:
    """The credentials behind one reference, ready to sign with.

    `load` and `refresh` block: they may read files, start a process or ask the network. `sign` never does: it
    uses the keys that were loaded last. Keys that run out are renewed a quarter of an hour before, so `refresh`
    is to be called every minute or so, in a thread.
    """

    def __init__(self, reference: str, region: str, env: Mapping[str, str]) -> None:
        self.reference = reference
        self.region = region
        self._env = env
        self._source: Callable[[], AwsKeys] | None = None
        self._keys: AwsKeys | None = None
        self._sign: Callable[..., list[tuple[bytes, bytes]]] | None = None
        self._failing = False

    def load(self) -> None:
        """Finds the credentials. Raises SecretUnavailable, whose message names the reference and no value."""
        from waystation.vault.sigv4 import sign  # loads botocore

        self._sign = sign
        kind, _, name = self.reference.removeprefix("aws:").partition("/")
        if kind == "env":
            prefix = name or "AWS"
            self._source = lambda: self._from_environment(prefix)
        elif kind == "profile" or (kind == "default" and not name):
            self._source = self._from_session(name or None)
        else:
            raise SecretUnavailable(
                f"{self.reference}: aws: references are aws:default, aws:profile/NAME, aws:env and aws:env/PREFIX"
            )
        self._keys = self._source()

    def refresh(self) -> None:
        """Renews keys that are about to run out. Never raises: the last keys stay until there are others."""
        if self._source is None:
            return
        try:
            self._keys = self._source()
        except SecretUnavailable as unavailable:
            if not self._failing:  # once, not every minute
                _log.warning(
                    "AWS credentials not renewed",
                    extra={"fields": {"reference": self.reference, "reason": str(unavailable)}},
                )
            self._failing = True
        else:
            self._failing = False

    def sign(
        self,
        method: bytes,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        now: float,
    ) -> list[tuple[bytes, bytes]]:
        """The headers to add to one request to Bedrock: `authorization`, `x-amz-date` and, with temporary keys,
        `x-amz-security-token`. `target` is path and query as they are sent; of `headers`, `host` is signed, and
        the others are left to whoever is on the way. `now` in Unix seconds. Does not block.

        Raises SecretUnavailable if nothing was ever loaded.
        """
        if self._keys is None or self._sign is None:
            raise SecretUnavailable(f"{self.reference}: not loaded")
        host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1")
        url = f"https://{host}{target.decode('ascii')}"  # the scheme is no part of what is signed
        verb = method.decode("ascii")
        return self._sign(verb, url, {"host": host}, body, self._keys, self.region, SERVICE, now)

    def _from_environment(self, prefix: str) -> AwsKeys:
        access, secret = (
            self._env.get(f"{prefix}_ACCESS_KEY_ID", "").strip(),
            self._env.get(f"{prefix}_SECRET_ACCESS_KEY", "").strip(),
        )
        if not access or not secret:
            raise SecretUnavailable(
                f"{self.reference}: the environment variables {prefix}_ACCESS_KEY_ID and "
                f"{prefix}_SECRET_ACCESS_KEY are not both set for the gateway"
            )
        token = self._env.get(f"{prefix}_SESSION_TOKEN", "").strip()
        return self._checked(AwsKeys(access, secret, token or None))

    def _from_session(self, profile: str | None) -> Callable[[], AwsKeys]:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            found: Any = Session(profile=profile).get_credentials()
        except BotoCoreError as error:
            raise SecretUnavailable(f"{self.reference}: {type(error).__name__}") from None
        if found is None:
            raise SecretUnavailable(f"{self.reference}: AWS's own chain finds no credentials for the gateway")

        def current() -> AwsKeys:
            try:
                frozen = found.get_frozen_credentials()
            except Exception as error:  # whatever process, file or service the profile names
                raise SecretUnavailable(f"{self.reference}: {type(error).__name__}") from None
            return self._checked(AwsKeys(frozen.access_key, frozen.secret_key, frozen.token))

        return current

    def _checked(self, keys: AwsKeys) -> AwsKeys:
        for text in (keys.access_key, keys.token or "x"):
            if not text.isprintable() or not text.isascii() or " " in text:
                raise SecretUnavailable(
                    f"{self.reference}: it holds characters that cannot stand in a header"
                )
        return keys


def open_aws(reference: str, region: str, env: Mapping[str, str]) -> AwsAccount:
    """The account behind an `aws:` reference, loaded. Blocks; raises SecretUnavailable."""
    account = AwsAccount(reference, region, env)
    account.load()
    return account
