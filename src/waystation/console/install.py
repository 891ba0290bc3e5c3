"""`/install`: how `way` gets onto a laptop, from the gateway that it is to talk to.

    curl -fsS https://gateway/install | sh
    irm https://gateway/install.ps1 | iex

The program is the installed `way` package as one archive, built once at start. Its bytes depend only on its
files, so that every node of a gateway serves the same and the scripts can check them.
"""

import hashlib
import importlib.util
import io
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

_TEMPLATES = Path(__file__).parent
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can hold."""
_MAIN = b"from way.cli import main\n\nmain()\n"
_REVALIDATE = {"Cache-Control": "no-cache"}


def install_routes(base_url: str) -> list[Route]:
    """`base_url` is the gateway's own address, as laptops reach it; never the request's Host."""
    archive = build_archive()
    digest = hashlib.sha256(archive).hexdigest()
    version = _version()
    shell = _script("install.sh", base_url, digest)
    powershell = _script("install.ps1", base_url, digest)

    async def by_client(request: Request) -> Response:
        is_powershell = "powershell" in request.headers.get("user-agent", "").lower()
        return PlainTextResponse(powershell if is_powershell else shell, headers=_REVALIDATE)

    async def for_powershell(_request: Request) -> Response:
        return PlainTextResponse(powershell, headers=_REVALIDATE)

    async def program(_request: Request) -> Response:
        headers = {**_REVALIDATE, "Content-Disposition": 'attachment; filename="way.pyz"'}
        return Response(archive, media_type="application/zip", headers=headers)

    async def facts(_request: Request) -> Response:
        return JSONResponse(
            {"version": version, "sha256": digest, "bytes": len(archive)}, headers=_REVALIDATE
        )

    return [
        Route("/install", by_client, methods=["GET"]),
        Route("/install.ps1", for_powershell, methods=["GET"]),
        Route("/install/way.pyz", program, methods=["GET"]),
        Route("/install/way.json", facts, methods=["GET"]),
    ]


def build_archive() -> bytes:
    """`way` as a zipapp. Stored, not packed: what packing gives depends on the zlib at hand."""
    package = _package()
    out = io.BytesIO()
    out.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", _MAIN)
        for path in sorted(package.rglob("*.py")):
            _add(archive, f"way/{path.relative_to(package).as_posix()}", path.read_bytes())
    return out.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3  # Unix, whatever this machine is
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content.replace(b"\r\n", b"\n"))


def _package() -> Path:
    """Where `way` is installed. It is found and not imported: the two packages know nothing of each other."""
    spec = importlib.util.find_spec("way")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package `way` is not installed beside `waystation`.")
    return Path(spec.origin).parent


def _version() -> str:
    for line in (_package() / "__init__.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("__version__ = "):
            return line.partition('"')[2].rstrip('"')
    raise RuntimeError("The package `way` does not say its version.")


def _script(name: str, base_url: str, digest: str) -> str:
    """A template with the two values filled in, both free of anything that a shell would act on."""
    base_url = base_url.rstrip("/")
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not _is_plain(base_url):
        raise ValueError(f"The gateway's own address must be like https://gateway.example, not {base_url!r}.")
    template = (_TEMPLATES / name).read_text(encoding="utf-8")
    return template.replace("@GATEWAY@", base_url).replace("@SHA256@", digest)


def _is_plain(address: str) -> bool:
    return all(c.isascii() and (c.isalnum() or c in "-._~:/[]%") for c in address)
