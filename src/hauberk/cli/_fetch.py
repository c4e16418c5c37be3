"""What a scan is given by URL: landed first, held against its pin, read from the landed copy.

``https://host/path`` is fetched over TLS, with ``#sha256=<64 digits>`` behind it only those
bytes; a scan believes nothing of what it looks at, so that pin is welcome and not required.
``s3://``, ``gs://`` and ``az://`` addresses go through obstore (the extra ``s3``), with the
credentials that it finds in the environment, and need the pin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.errors import ArtifactError, TrustError, UnavailableError

if TYPE_CHECKING:
    import ssl

    from hauberk.core.artifact import Digest

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://")
_PIN = re.compile(r"sha256=([0-9a-f]{64})")
_BUCKETS = frozenset({"s3", "gs", "az"})


@contextmanager
def landed(
    names: Sequence[str], *, context: ssl.SSLContext | None = None
) -> Iterator[dict[Path, str]]:
    """Path to what the caller called it; those of URLs in a folder that vanishes afterwards.

    Raises:
        TrustError: An address has no pin, other bytes, or a way that others can change.
    """
    if not any(_URL.match(name) for name in names):
        yield {Path(name): name for name in names}
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="hauberk-") as folder:
        places: dict[Path, str] = {}
        for number, name in enumerate(names):
            if _URL.match(name):
                private = Path(folder, str(number))
                places[_land(name, private, context)] = name.partition("#")[0]
            else:
                places[Path(name)] = name
        yield places


def _land(name: str, folder: Path, context: ssl.SSLContext | None) -> Path:
    from urllib.parse import urlsplit

    from hauberk.lifecycle.downloads import download_file
    from hauberk.trust.blobs import DirectoryBlobs

    address, _, fragment = name.partition("#")
    parts = urlsplit(address)
    folder.mkdir(mode=0o700)
    if parts.scheme not in _BUCKETS:
        return download_file(name, folder, context=context)
    found = _PIN.fullmatch(fragment)
    if found is None:
        raise TrustError(
            "what comes over a network is pinned by its digest",
            subject=address.partition("?")[0],
            expected=f"{parts.scheme}://...#sha256=<64 hexadecimal digits>",
            found=f"#{fragment}" if fragment else "no digest",
            hint="get the digest from the publisher, not from the download itself",
        )
    expected: Any = f"sha256:{found[1]}"
    blobs = DirectoryBlobs(folder / "blobs")
    digest = _from_bucket(address, blobs, expected)
    target = folder / (Path(parts.path).name or "download")
    blobs.path(digest).rename(target)
    return target


def _from_bucket(address: str, blobs: Any, expected: Digest) -> Digest:
    try:
        import obstore
        from obstore.store import from_url
    except ImportError:
        raise UnavailableError(
            "buckets need obstore", subject=address, hint="pip install 'hauberk[s3]'"
        ) from None
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    try:
        store = from_url(f"{parts.scheme}://{parts.netloc}")
        chunks = obstore.get(store, parts.path.lstrip("/")).stream(min_chunk_size=1 << 20)
        digest: Digest = blobs.put(_bounded(chunks, address))
    except (obstore.exceptions.BaseError, OSError) as error:
        raise UnavailableError(
            "an object cannot be fetched", subject=address, found=type(error).__name__
        ) from None
    if digest != expected:
        blobs.delete(digest)
        raise TrustError(
            "an object is not what was pinned",
            subject=address,
            rule="bytes under a pinned name never change",
            expected=expected,
            found=digest,
            hint="find out who changed it; ask the publisher for the digest",
        )
    return digest


def _bounded(chunks: Any, address: str) -> Iterator[bytes]:
    from hauberk.lifecycle.downloads import MAX_DOWNLOAD_BYTES

    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > MAX_DOWNLOAD_BYTES:
            raise ArtifactError(
                "an object is longer than it may be",
                subject=address,
                expected=f"at most {MAX_DOWNLOAD_BYTES} bytes",
                found="more",
            )
        yield bytes(chunk)
