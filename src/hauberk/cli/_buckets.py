"""Objects of buckets that a scan is given: landed first, pinned by digest, read as a copy.

``s3://``, ``gs://`` and ``az://`` addresses with ``#sha256=<64 digits>`` go through obstore (the
extra ``s3``), with the credentials that it finds in the environment. Without a pin nothing is
fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hauberk.errors import ArtifactError, TrustError, UnavailableError

BUCKETS = frozenset({"s3", "gs", "az"})
_PIN = re.compile(r"sha256=([0-9a-f]{64})")


def bucket_file(text: str, folder: Path) -> Path:
    """The object at the address ``text`` as a file in ``folder``.

    Raises:
        TrustError: The address has no pin, or the bytes another digest.
        ArtifactError: The object is longer than it may be.
        UnavailableError: obstore is missing, or the object cannot be fetched.
    """
    address, _, fragment = text.partition("#")
    found = _PIN.fullmatch(fragment)
    if found is None:
        raise TrustError(
            "what comes over a network is pinned by its digest",
            subject=address,
            expected=f"{address}#sha256=<64 hexadecimal digits>",
            found=f"#{fragment}" if fragment else "no digest",
            hint="get the digest from the publisher, not from the download itself",
        )
    digest = _landed(address, folder / "object")
    if digest != found[1]:
        (folder / "object").unlink()
        raise TrustError(
            "an object is not what was pinned",
            subject=address,
            rule="bytes under a pinned name never change",
            expected=found[1],
            found=digest,
            hint="find out who changed it; ask the publisher for the digest",
        )
    return (folder / "object").rename(folder / (Path(urlsplit(address).path).name or "download"))


def _landed(address: str, target: Path) -> str:
    """Stream the object to ``target``; its SHA-256."""
    import hashlib

    try:
        import obstore
        from obstore.store import from_url
    except ImportError:
        raise UnavailableError(
            "buckets need obstore", subject=address, hint="pip install 'hauberk[s3]'"
        ) from None
    parts = urlsplit(address)
    digest = hashlib.sha256()
    try:
        store = from_url(f"{parts.scheme}://{parts.netloc}")
        chunks = obstore.get(store, parts.path.lstrip("/")).stream(min_chunk_size=1 << 20)
        with target.open("xb") as file:
            for chunk in _bounded(chunks, address):
                digest.update(chunk)
                file.write(chunk)
    except (obstore.exceptions.BaseError, OSError) as error:
        raise UnavailableError(
            "an object cannot be fetched", subject=address, found=type(error).__name__
        ) from None
    return digest.hexdigest()


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
