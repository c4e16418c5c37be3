"""Write a signed model as an OCI image layout: the same files give the same bytes.

Each large file is a layer of its own, uncompressed, so that versions share what they share;
small files and the signature, which come first, are one layer together. Below ``models/`` lies
what serving takes, and nothing else is in the image: no shell, no program.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from hauberk.core.artifact import Digest
from hauberk.errors import UnavailableError, UsageError
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes, hex_of, open_regular
from hauberk.trust.durable import explained
from hauberk.trust.manifest import check_path
from hauberk.trust.oci.layout import (
    CONFIG_TYPE,
    INDEX_TYPE,
    LAYER_TYPE,
    LAYOUT,
    LAYOUT_FILE,
    MANIFEST_TYPE,
    MODELS,
    REFERENCE,
)
from hauberk.trust.oms.verification import SIGNATURE_NAME

SMALL_BYTES: Final = 1 << 20
MAX_LAYERS: Final = 60
"""Container engines mount at most 127 layers; what is beyond shares the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An image layout that was written.

    Attributes:
        digest: Of the image's manifest: what a deployment pins.
    """

    digest: Digest
    layers: int
    n_bytes: int


def write_layout(
    folder: Path,
    target: Path,
    *,
    tag: str,
    architecture: str = "amd64",
    annotations: Mapping[str, str] | None = None,
) -> Written:
    """Write the model in ``folder``, with its signature, as an image layout.

    Args:
        folder: Holds the model's files and `SIGNATURE_NAME`.
        target: A folder that is not there yet; it appears whole or not at all.
        tag: The image's name inside the layout.
        architecture: What the image says of machines; a model runs nowhere by itself.
        annotations: Of the manifest.

    Raises:
        UsageError: ``target`` is there.
        UnavailableError: It cannot be written.
    """
    if os.path.lexists(target):
        raise UsageError(
            "the target is there already",
            subject=str(target),
            expected="no such file or folder",
            found="one",
            hint="choose another, or move it away",
        )
    draft = target.parent / f".hauberk-{secrets.token_hex(8)}"
    try:
        with explained(target):
            (draft / "blobs" / "sha256").mkdir(parents=True)
            written = _write(folder, draft, tag, architecture, annotations or {})
            draft.rename(target)
    except OSError as error:
        if isinstance(error, UnavailableError):
            raise
        raise UnavailableError(
            "the image cannot be written", subject=str(target), found=error.strerror
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return written


def _write(
    folder: Path, draft: Path, tag: str, architecture: str, annotations: Mapping[str, str]
) -> Written:
    layers = [_layer(folder, names, draft) for names in _groups(folder)]
    config = canonical_json(
        {
            "architecture": architecture,
            "config": {},
            "os": "linux",
            "rootfs": {"diff_ids": [one["digest"] for one in layers], "type": "layers"},
        }
    )
    manifest = canonical_json(
        {
            "annotations": dict(annotations),
            "config": _blob(draft, config, CONFIG_TYPE),
            "layers": layers,
            "mediaType": MANIFEST_TYPE,
            "schemaVersion": 2,
        }
    )
    entry = _blob(draft, manifest, MANIFEST_TYPE) | {"annotations": {REFERENCE: tag}}
    index = {"manifests": [entry], "mediaType": INDEX_TYPE, "schemaVersion": 2}
    _put(draft / "index.json", canonical_json(index))
    _put(draft / LAYOUT_FILE, canonical_json(LAYOUT))
    n_bytes = sum(int(one["size"]) for one in layers)
    return Written(digest=entry["digest"], layers=len(layers), n_bytes=n_bytes)


def _groups(folder: Path) -> Iterator[Sequence[str]]:
    """The files of each layer: the signature with what is small, then one large file each."""
    names = sorted(path.relative_to(folder).as_posix() for path in _files(folder))
    small = [name for name in names if (folder / name).stat().st_size < SMALL_BYTES]
    large = [name for name in names if name not in set(small)]
    first = [SIGNATURE_NAME, *(name for name in small if name != SIGNATURE_NAME)]
    large = [name for name in large if name != SIGNATURE_NAME]
    yield first
    for name in large[: MAX_LAYERS - 1]:
        yield [name]
    if rest := large[MAX_LAYERS - 1 :]:
        yield rest


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not path.is_dir() or path.is_symlink():
            yield path


class _Hashed:
    """A file that is hashed while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.state = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write and hash."""
        self.state.update(data)
        self.size += len(data)
        return self._file.write(data)


def _layer(folder: Path, names: Sequence[str], draft: Path) -> dict[str, Any]:
    drafted = draft / "layer"
    with drafted.open("xb") as file:
        sink = _Hashed(file)
        with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]  # anything with write
            for parent in _parents(names):
                archive.addfile(_info(parent, tarfile.DIRTYPE, 0o755))
            for name in names:
                _add(archive, folder / name, check_path(name))
        file.flush()
        os.fsync(file.fileno())
    drafted.rename(draft / "blobs" / "sha256" / sink.state.hexdigest())
    digest = f"sha256:{sink.state.hexdigest()}"
    return {"digest": digest, "mediaType": LAYER_TYPE, "size": sink.size}


def _parents(names: Sequence[str]) -> list[str]:
    found = {MODELS}
    for name in names:
        found |= {f"{MODELS}/{one}" for one in PurePosixPath(name).parents if one.name}
    return sorted(found)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    with open_regular(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
        info = _info(f"{MODELS}/{name}", tarfile.REGTYPE, 0o644)
        info.size = os.fstat(descriptor).st_size
        archive.addfile(info, file)


def _info(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = kind, mode
    return info


def _blob(draft: Path, data: bytes, kind: str) -> dict[str, Any]:
    digest = digest_bytes(data)
    _put(draft / "blobs" / "sha256" / hex_of(digest), data)
    return {"digest": digest, "mediaType": kind, "size": len(data)}


def _put(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
