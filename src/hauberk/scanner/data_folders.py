"""Data sets that are folders: pictures, and what lies beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from hauberk.core.artifact import Dataset, Splits
from hauberk.errors import ArtifactError
from hauberk.scanner.options import ScanOptions

MAX_NAMED = 200
"""Refused files that are named one by one; the rest are counted."""


def data_folder(root: Path) -> bool:
    """Whether the folder as a whole is one data set."""
    from hauberk.formats.images import is_image_folder

    return is_image_folder(root)


def open_folder(root: Path, options: ScanOptions, *, like: Dataset | None = None) -> Dataset:
    """The data set that the folder is.

    Raises:
        ArtifactError: It is none, or nothing of it can be read.
        UsageError: A named column does not exist.
    """
    dataset: Dataset = _images(root, options, like).dataset
    return dataset


def folder_subjects(
    root: Path, options: ScanOptions
) -> Iterator[tuple[str, Callable[[], Any], str]]:
    """Kind, way of opening and name of everything to judge in a folder that is a data set."""
    from hauberk.formats.images import image_splits

    parts = image_splits(root)
    for role, path in (parts or {"": root}).items():
        opened = _Once(partial(_images, path, options, None))
        yield "image folder", partial(_subject, opened, options, role), str(path)
        yield from _refusals(path, opened)
    if len(parts) > 1:
        yield "image folder", partial(_splits, parts, options), str(root)


class _Once:
    """Opens at most once; an error is raised again each time."""

    def __init__(self, opener: Callable[[], Any]) -> None:
        self._opener = opener
        self._found: Any = None

    def __call__(self) -> Any:
        if self._found is None:
            self._found = self._opener()
        return self._found


def _images(root: Path, options: ScanOptions, like: Dataset | None) -> Any:
    from hauberk.formats.images import open_images

    return open_images(
        root,
        label=options.label,
        like=like,
        sensitive=options.sensitive,
        source=options.source,
        annotator=options.annotator,
    )


def _subject(opened: _Once, options: ScanOptions, role: str) -> Any:
    from hauberk.scanner.data_sources import beside

    dataset = opened().dataset
    return dataset if role == "train" else beside(dataset, options)


def _splits(parts: dict[str, Path], options: ScanOptions) -> Splits:
    train = _images(parts["train"], options, None).dataset
    others = {
        role: _images(path, options, train).dataset
        for role, path in parts.items()
        if role != "train"
    }
    test = others.get("test") or others["validation"]
    validation = others.get("validation") if "test" in others else None
    return Splits(train=train, test=test, validation=validation)


def _refusals(root: Path, opened: _Once) -> Iterator[tuple[str, Callable[[], Any], str]]:
    """A subject that cannot be opened for each file that is no row of the data set."""
    try:
        found = opened()
    except Exception:  # noqa: BLE001 - judged where the folder itself is opened
        return
    for name, rule in found.refused[:MAX_NAMED]:
        yield "picture that cannot be read", partial(_refuse, root / name, rule), str(root / name)
    left = len(found.refused) - MAX_NAMED
    if left > 0:
        yield "picture that cannot be read", partial(_refuse, root, f"{left} more"), str(root)


def _refuse(path: Path, rule: str) -> NoReturn:
    raise ArtifactError(
        "The picture is no row of the data set: it cannot be read",
        subject=str(path),
        rule="every picture of a data set can be decoded within bounds",
        expected="a whole picture of a known format, size and length",
        found=rule,
        hint="Fetch it again, or take it out of the folder; the other rows were judged without it.",
    )
