"""Bytes over the network: TLS or nothing, a pinned digest or nothing, bounded, hashed on the way.

What arrives is streamed into the store and believed only when its digest is the pinned one;
bytes with another digest are taken out of the store again.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError

if TYPE_CHECKING:
    from hauberk.core.ports import Blobs

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


def download(
    uri: str,
    blobs: Blobs,
    expected: Digest | None,
    place: str,
    *,
    context: ssl.SSLContext | None = None,
) -> Landed:
    """Land the bytes of an https address.

    Args:
        expected: Pinned digest; without one nothing is fetched.
        place: Where the address stands, for messages.
        context: Whom to trust; the system's certificate authorities by default.

    Raises:
        TrustError: There is no pinned digest, the bytes have another, or the transport is or
            becomes one that others can change.
        ArtifactError: The answer is longer or shorter than it says.
        UnavailableError: The source cannot be reached.
    """
    if urllib.parse.urlsplit(uri).scheme != "https":
        raise _downgraded(uri, uri)
    if expected is None:
        raise TrustError(
            "a source over the network has no pinned digest",
            subject=place,
            rule="what comes over a network is pinned by its digest",
            expected='sha256 = "..."',
            found="none",
            hint="get the digest from the publisher, not from the download itself",
        )
    before = frozenset(blobs.list())
    digest = blobs.put(_fetched(uri, context))
    if digest != expected:
        if digest not in before:
            blobs.delete(digest)
        raise TrustError(
            "a source is not what was pinned",
            subject=without_credentials(uri),
            rule="bytes under a pinned name never change",
            expected=expected,
            found=digest,
            hint="find out who changed it; ask the publisher for the digest",
        )
    return Landed(digest=digest, size=blobs.size(digest), origin=without_credentials(uri))


def download_file(uri: str, folder: Path, *, context: ssl.SSLContext | None = None) -> Path:
    """The bytes of an https address as a private file, to be looked at and not to be used.

    Nothing is believed of them, so a pin is welcome and not required: a fragment
    ``#sha256=<64 hexadecimal digits>`` is one.

    Raises:
        TrustError: The transport is one that others can change, or the pin does not match.
        ArtifactError: The answer is longer or shorter than it says, or than a file may be.
        UnavailableError: The source cannot be reached, or the file cannot be written.
    """
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme != "https":
        raise _downgraded(uri, uri)
    name = Path(urllib.parse.unquote(parts.path)).name.replace("\0", "") or "download"
    path, state = folder / name[:200], hashlib.sha256()
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for chunk in _fetched(urllib.parse.urldefrag(uri).url, context):
                state.update(chunk)
                file.write(chunk)
    except OSError as error:
        if isinstance(error, HauberkError):
            raise
        reason = error.strerror or str(error)
        raise UnavailableError(f"a download cannot be kept: {reason}", subject=name) from error
    pinned = parts.fragment.removeprefix("sha256=").lower()
    if parts.fragment and pinned != state.hexdigest():
        raise TrustError(
            "a source is not what was pinned",
            subject=without_credentials(uri),
            rule="bytes under a pinned name never change",
            expected=parts.fragment,
            found=f"sha256={state.hexdigest()}",
            hint="find out who changed it; ask the publisher for the digest",
        )
    return path


def without_credentials(uri: str) -> str:
    """The address without user, password, query and fragment."""
    parts = urllib.parse.urlsplit(uri)
    port = f":{parts.port}" if parts.port else ""
    host = f"{parts.hostname or ''}{port}"
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))


def _fetched(uri: str, context: ssl.SSLContext | None) -> Iterator[bytes]:
    handler = urllib.request.HTTPSHandler(context=context or ssl.create_default_context())
    opener = urllib.request.build_opener(handler, _NoDowngrade())
    try:
        with opener.open(uri, timeout=TIMEOUT_S) as answer:
            yield from _bounded(answer, uri)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, UnavailableError):
            raise
        raise UnavailableError(
            "a source cannot be fetched",
            subject=without_credentials(uri),
            found=f"{type(error).__name__}: {str(error)[:200]}",
            hint=_advice(error),
        ) from error


def _advice(error: Exception) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "name the authority that signed the host's certificate: SSL_CERT_FILE=FILE"
    return "look at the address, and whether this machine may reach it"


def _bounded(answer: Any, uri: str) -> Iterator[bytes]:
    declared = int(answer.headers.get("Content-Length") or -1)
    total = 0
    while chunk := answer.read(CHUNK_BYTES):
        total += len(chunk)
        if total > MAX_DOWNLOAD_BYTES or 0 <= declared < total:
            raise ArtifactError(
                "a download is longer than it may be",
                subject=without_credentials(uri),
                expected=f"{declared} bytes" if declared >= 0 else f"<= {MAX_DOWNLOAD_BYTES}",
                found=f"at least {total}",
            )
        yield chunk
    if declared >= 0 and total != declared:
        raise ArtifactError(
            "a download was cut short",
            subject=without_credentials(uri),
            expected=f"{declared} bytes",
            found=f"{total} bytes",
        )


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Redirects may not leave TLS."""

    def redirect_request(  # noqa: PLR0917 - the signature is urllib's
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if urllib.parse.urlsplit(newurl).scheme != "https":
            raise _downgraded(req.full_url, newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _downgraded(uri: str, found: str) -> TrustError:
    return TrustError(
        "a source comes by a way that others can change",
        subject=without_credentials(uri),
        rule="sources come over TLS, and no redirect leaves it",
        expected="https://",
        found=without_credentials(found),
        hint="ask for an https address",
    )
