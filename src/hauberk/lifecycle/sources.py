"""Ways to land bytes: a file of the project, a file of an installed package, https.

All of them stream into the store while hashing, so the copy that later steps read is the
one that was hashed; nothing is read twice from the outside.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.isolation import Grants, Limits, interpreter_grants, run
from hauberk.lifecycle.plan import inside

if TYPE_CHECKING:
    from hauberk.core.artifact import Digest
    from hauberk.lifecycle.workshop import Workshop

MAX_DOWNLOAD_BYTES = 64 << 30
"""No single source is larger; an endless answer ends here."""

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """Bytes that are in the store now.

    Attributes:
        origin: Where they came from, without credentials.
    """

    digest: Digest
    size: int
    origin: str


def land(
    uri: str, shop: Workshop, keys: tuple[str, ...], *, expected: Digest | None = None
) -> Landed:
    """Land the bytes of ``uri`` in the store.

    Args:
        expected: Digest that a source over the network must have; without one it is refused.

    Raises:
        UsageError: The address is of no kind that can be landed.
        TrustError: The network could change the bytes unseen.
        UnavailableError: The source cannot be read now.
    """
    scheme = uri.partition(":")[0] if ":" in uri else ""
    if scheme == "package":
        path = _package_file(uri, shop, keys)
    elif scheme == "https":
        return _landed_stream(_download(uri, expected, shop, keys), shop, _without_credentials(uri))
    elif "://" in uri:
        raise _unsupported(uri, shop, keys)
    else:
        path = shop.settings.root / inside(uri, shop.settings, (*keys, "uri"))
    return _landed_file(path, uri, shop, keys)


def _landed_file(path: Path, uri: str, shop: Workshop, keys: tuple[str, ...]) -> Landed:
    root = shop.settings.root.resolve()
    if not uri.startswith("package:") and not path.resolve().is_relative_to(root):
        raise UsageError(
            "a source leaves the project through a link",
            subject=shop.settings.source.place((*keys, "uri")),
            expected="a file inside the project",
            found=f"{uri} -> {path.resolve()}",
        )
    if not path.is_file():
        raise UsageError(
            "a source is missing",
            subject=shop.settings.source.place((*keys, "uri")),
            expected="a regular file that can be read",
            found=f"no file {uri}",
        )
    try:
        with path.open("rb") as stream:
            return _landed_stream(_chunks(stream), shop, uri)
    except PermissionError as error:
        raise UnavailableError(
            "a source cannot be read", subject=uri, found=error.strerror or str(error)
        ) from error


def _landed_stream(chunks: Iterator[bytes], shop: Workshop, origin: str) -> Landed:
    digest = shop.store.blobs.put(chunks)
    return Landed(digest=digest, size=shop.store.blobs.size(digest), origin=origin)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _package_file(uri: str, shop: Workshop, keys: tuple[str, ...]) -> Path:
    """The file ``package:NAME/path`` of a package in the project's own environment."""
    name, _, inner = uri.removeprefix("package:").partition("/")
    path = inside(inner, shop.settings, (*keys, "uri")) if inner else ""
    places = _places(name, shop) if name.isidentifier() else []
    for place in places:
        file = Path(place) / path
        if path and file.is_file():
            return file
    raise UsageError(
        "a source that a package carries is not there",
        subject=shop.settings.source.place((*keys, "uri")),
        expected="package:NAME/path of a file inside an installed package",
        found=f"{uri}: {'no such file' if places else f'no package {name!r}'}",
        hint=f"install {name} into the project's environment" if name and not places else None,
    )


def _places(name: str, shop: Workshop) -> list[str]:
    """Folders of a package in the project's environment, asked without importing it."""
    code = (
        "import importlib.util as u, json, sys; s = u.find_spec(sys.argv[1]);"
        "print(json.dumps(list(s.submodule_search_locations or ()) if s else []))"
    )
    done = run(
        (str(shop.python), "-I", "-c", code, name),
        cwd=shop.work,
        grants=Grants(read=(shop.work, *interpreter_grants(shop.python))),
        limits=Limits(wall_s=60.0, cpu_s=30.0),
        level=shop.context.isolation,
    )
    return [str(place) for place in json.loads(done.stdout or b"[]")]


def _unsupported(uri: str, shop: Workshop, keys: tuple[str, ...]) -> UsageError:
    scheme = uri.partition("://")[0]
    hint = (
        "use https: over http anybody on the way can change the bytes" if scheme == "http" else None
    )
    return UsageError(
        "this kind of source cannot be landed",
        subject=shop.settings.source.place((*keys, "uri")),
        expected="a path, package:NAME/path, or https://",
        found=scheme + "://",
        hint=hint,
    )


def _download(
    uri: str, expected: Digest | None, shop: Workshop, keys: tuple[str, ...]
) -> Iterator[bytes]:
    if expected is None:
        raise TrustError(
            "a source over the network has no pinned digest",
            subject=shop.settings.source.place(keys),
            rule="what comes over a network is pinned by its digest",
            expected='sha256 = "..."',
            found="none",
            hint="get the digest from the publisher, not from the download itself",
        )
    try:
        with _opener().open(uri, timeout=TIMEOUT_S) as answer:
            yield from _bounded(answer, uri)
    except urllib.error.URLError as error:
        raise UnavailableError(
            "a source cannot be fetched",
            subject=_without_credentials(uri),
            found=str(error.reason),
        ) from error


def _bounded(answer: Any, uri: str) -> Iterator[bytes]:
    declared = int(answer.headers.get("Content-Length") or -1)
    total = 0
    for chunk in _chunks(answer):
        total += len(chunk)
        if total > MAX_DOWNLOAD_BYTES or 0 <= declared < total:
            raise ArtifactError(
                "a download is longer than it may be",
                subject=_without_credentials(uri),
                expected=f"{declared} bytes" if declared >= 0 else f"<= {MAX_DOWNLOAD_BYTES}",
                found=f"at least {total}",
            )
        yield chunk
    if declared >= 0 and total != declared:
        raise ArtifactError(
            "a download was cut short",
            subject=_without_credentials(uri),
            expected=f"{declared} bytes",
            found=f"{total} bytes",
        )


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Redirects may not leave TLS."""

    def redirect_request(  # noqa: PLR0917 - the signature is urllib's
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if urllib.parse.urlsplit(newurl).scheme != "https":
            raise TrustError(
                "a source redirects to an address without TLS",
                subject=_without_credentials(req.full_url),
                rule="no redirect leaves TLS",
                expected="https://",
                found=_without_credentials(newurl),
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoDowngrade())


def _without_credentials(uri: str) -> str:
    parts = urllib.parse.urlsplit(uri)
    return urllib.parse.urlunsplit((parts.scheme, parts.hostname or "", parts.path, "", ""))
