"""Folders of pages and plain texts as one `Dataset`: a row for each document.

The column ``text`` holds a document as it is, with its markup, since what a page hides is in
the markup; ``domain`` is the folder right below the root that it lies in, which is how
crawlers lay out what they bring home. Pages are read as UTF-8 with a bounded length; bytes
that do not decode are replaced.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Batch, Column, ColumnKind, Dataset
from hauberk.errors import ArtifactError, UsageError

MAX_DOCUMENTS = 2_000_000
MAX_DOCUMENT_BYTES = 8 << 20
"""Longer pages are cut: what addresses a crawler stands where a crawler reads."""

MIN_SHARE = 0.9
MIN_DOCUMENTS = 5
TEXT, DOMAIN = "text", "domain"

_PAGES = (".html", ".htm", ".xhtml")
_TEXTS = (*_PAGES, ".txt")
_BATCH_BYTES = 16 << 20
_BATCH_ROWS = 1_000


def is_document_folder(root: Path) -> bool:
    """Whether nearly all files below ``root`` are pages or plain texts."""
    count = {True: 0, False: 0}
    for path in _files(root):
        count[path.suffix.lower() in _TEXTS] += 1
    return count[True] >= MIN_DOCUMENTS and count[True] >= MIN_SHARE * sum(count.values())


def is_document(path: Path) -> bool:
    """Whether a file in a folder of documents is a row of it."""
    return path.suffix.lower() in _TEXTS and not path.is_symlink()


def open_documents(root: Path, *, source: str | None = None, **roles: Any) -> Dataset:
    """The documents below ``root``.

    Args:
        source: ``domain``, which is also the default where there are folders.
        roles: Others than the source have no column here and are refused.

    Raises:
        ArtifactError: There are too many documents.
        UsageError: A role names a column that documents do not have.
    """
    named = [roles.get("label"), roles.get("annotator"), *roles.get("sensitive", ())]
    if any(named) or source not in {None, DOMAIN}:
        raise UsageError(
            "documents have the columns text and domain only",
            subject=str(root),
            expected="--source domain",
            found=", ".join(str(name) for name in (*named, source) if name),
        )
    files = tuple(path for path in _files(root) if path.suffix.lower() in _TEXTS)
    if len(files) > MAX_DOCUMENTS:
        raise ArtifactError(
            "the folder holds too many documents",
            subject=str(root),
            expected=f"at most {MAX_DOCUMENTS}",
            found=str(len(files)),
            hint="scan its parts one by one",
        )
    has_folders = any(path.parent != root for path in files)
    columns = [Column(name=TEXT, kind=ColumnKind.TEXT)]
    if has_folders:
        columns.append(Column(name=DOMAIN, kind=ColumnKind.CATEGORY))
    return Dataset(
        name=str(root),
        columns=tuple(columns),
        read=lambda: _batches(root, files, has_folders=has_folders),
        source=DOMAIN if has_folders else None,
        path=root,
        files=tuple(path.relative_to(root).as_posix() for path in files),
    )


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not path.is_symlink() and path.is_file() and not name.startswith("."):
                yield path


def _batches(root: Path, files: tuple[Path, ...], *, has_folders: bool) -> Iterator[Batch]:
    texts: list[str] = []
    domains: list[str] = []
    held = 0
    for path in files:
        text = _text(path)
        texts.append(text)
        domains.append(path.relative_to(root).parts[0] if path.parent != root else "")
        held += len(text)
        if held > _BATCH_BYTES or len(texts) >= _BATCH_ROWS:
            yield _batch(texts, domains, has_folders=has_folders)
            texts, domains, held = [], [], 0
    if texts or not files:
        yield _batch(texts, domains, has_folders=has_folders)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_DOCUMENT_BYTES)
    except OSError as error:
        raise ArtifactError(
            "a document cannot be read", subject=str(path), found=error.strerror or "an error"
        ) from None
    encoding = "utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"
    return raw.decode(encoding, "replace")


def _batch(texts: list[str], domains: list[str], *, has_folders: bool) -> Batch:
    import pyarrow as pa

    columns = {TEXT: pa.array(texts, pa.string())}
    if has_folders:
        columns[DOMAIN] = pa.array(domains, pa.string())
    batch: Batch = pa.record_batch(columns)
    return batch
