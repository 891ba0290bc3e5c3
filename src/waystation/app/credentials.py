"""How the gateway proves to each provider who it is: a fixed header, or a signature made for each request."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

import msgspec

from waystation.model import AuthScheme, Provider
from waystation.relay import Credential
from waystation.vault import AwsAccount, SecretUnavailable, open_aws, resolve

_log = logging.getLogger("waystation.policy")


class Credentials(msgspec.Struct, frozen=True):
    """Of all providers of one plan."""

    by_provider: Mapping[str, Credential]
    """A provider whose secret is missing is left out: the relay says so to whoever asks for it."""
    accounts: tuple[AwsAccount, ...] = ()
    """Those whose keys run out and are renewed."""


def find_credentials(providers: Iterable[Provider], env: Mapping[str, str]) -> Credentials:
    """Resolves every reference. Blocks: it reads files, and may start a process or ask the network."""
    found: dict[str, Credential] = {}
    accounts: list[AwsAccount] = []
    for provider in providers:
        if provider.auth is AuthScheme.NONE or provider.credential is None:
            found[provider.id] = None
            continue
        try:
            if provider.auth is AuthScheme.SIGV4:
                account = open_aws(provider.credential, provider.region, env)
                accounts.append(account)
                found[provider.id] = account.sign
            else:
                found[provider.id] = _header(provider, env)
        except SecretUnavailable as missing:
            _log.warning(
                "provider without key", extra={"fields": {"provider": provider.id, "reason": str(missing)}}
            )
    return Credentials(found, tuple(accounts))


def _header(provider: Provider, env: Mapping[str, str]) -> tuple[bytes, bytes]:
    secret = resolve(provider.credential or "", env).reveal().encode("ascii")
    if provider.auth is AuthScheme.BEARER:
        return b"authorization", b"Bearer " + secret
    return provider.auth.value.encode("ascii"), secret


async def renew(accounts: Iterable[AwsAccount]) -> None:
    """Renews what is about to run out. The last keys stay in use where that fails."""
    for account in accounts:
        await asyncio.to_thread(account.refresh)
