"""Data sets that are folders: pictures, shards, and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from hauberk.core.artifact import CodeTree, Dataset, Splits
from hauberk.errors import ArtifactError, HauberkError, UsageError
from hauberk.scanner.options import ScanOptions

MAX_NAMED = 200
"""Refused files that are named one by one; the rest are counted."""

Found = tuple[str, Callable[[], Any], str]
"""Kind, way of opening and name of something to judge."""


def data_folder(root: Path) -> bool:
    """Whether the folder as a whole is one data set."""
    from hauberk.formats.documents import is_document_folder
    from hauberk.formats.images import is_image_folder

    return _has_shards(root) or is_image_folder(root) or is_document_folder(root)


def _has_shards(root: Path) -> bool:
    from hauberk.formats.sharded import find_shards

    try:
        return find_shards(root) is not None
    except HauberkError:
        return True  # one whose description is malformed is judged where it is opened


def open_folder(root: Path, options: ScanOptions, *, like: Dataset | None = None) -> Dataset:
    """The data set that the folder is; of one with splits the training part.

    Raises:
        ArtifactError: It is none, or nothing of it can be read.
        UsageError: A named column does not exist.
    """
    from hauberk.formats.documents import is_document_folder, open_documents

    dataset: Dataset
    if _has_shards(root):
        shards = _shards(root)
        split = "train" if "train" in shards.splits else next(iter(shards.splits))
        dataset = _split(shards, split, options)
    elif is_document_folder(root):
        dataset = open_documents(root, **_roles(options))
    else:
        dataset = _images(root, options, like).dataset
    return dataset


def _roles(options: ScanOptions) -> dict[str, Any]:
    return {
        "label": options.label,
        "sensitive": options.sensitive,
        "source": options.source,
        "annotator": options.annotator,
    }


def folder_subjects(root: Path, options: ScanOptions) -> Iterator[Found]:
    """Everything to judge in a folder that is a data set."""
    from hauberk.formats.images import image_splits, is_image_folder

    if _has_shards(root):
        yield from _shard_subjects(root, options)
    elif is_image_folder(root):
        parts = image_splits(root)
        for role, path in (parts or {"": root}).items():
            opened = _Once(partial(_images, path, options, None))
            yield "image folder", partial(_subject, opened, options, role), str(path)
            yield from _refusals(path, opened)
        if len(parts) > 1:
            yield "image folder", partial(_splits, parts, options), str(root)
    else:
        yield "folder of documents", partial(_beside, root, options), str(root)


def covered(root: Path) -> Callable[[Path], bool]:
    """Which files below ``root`` are rows of its data set; others are judged as they are."""
    from hauberk.formats.documents import is_document
    from hauberk.formats.images import is_image_folder, is_part

    if _has_shards(root):
        try:
            shards = _shards(root)
        except HauberkError:
            return lambda _: False
        rows = {path for paths in shards.splits.values() for path in paths} | set(shards.scripts)
        return lambda path: path in rows
    return is_part if is_image_folder(root) else is_document


class _Once:
    """Opens at most once; an error is raised again each time."""

    def __init__(self, opener: Callable[[], Any]) -> None:
        self._opener = opener
        self._found: Any = None

    def __call__(self) -> Any:
        if self._found is None:
            self._found = self._opener()
        return self._found


def _beside(root: Path, options: ScanOptions) -> Any:
    from hauberk.scanner.data_sources import beside

    return beside(open_folder(root, options), options)


# Shards ------------------------------------------------------------------------------


def _shards(root: Path) -> Any:
    from hauberk.formats.sharded import find_shards

    found = find_shards(root)
    if found is None:
        raise UsageError("there are no shards in the folder", subject=str(root))
    return found


def _split(shards: Any, split: str, options: ScanOptions) -> Dataset:
    from hauberk.formats.sharded import open_shards

    return open_shards(shards, split, **_roles(options))


def _shard_subjects(root: Path, options: ScanOptions) -> Iterator[Found]:
    try:
        shards = _shards(root)
    except HauberkError:
        yield "data set of shards", partial(_shards, root), str(root)
        return
    for split in shards.splits:
        yield "data set of shards", partial(_part, shards, split, options), str(root / split)
    if "train" in shards.splits and "test" in shards.splits:
        yield "data set of shards", partial(_parts, shards, options), str(root)
    for script in shards.scripts:
        yield "loading script", partial(_refuse_script, script), str(script)
        yield "text", partial(_code, script), str(script)


def _part(shards: Any, split: str, options: ScanOptions) -> Any:
    from hauberk.scanner.data_sources import beside

    dataset = _split(shards, split, options)
    return dataset if split == "train" and "test" in shards.splits else beside(dataset, options)


def _parts(shards: Any, options: ScanOptions) -> Splits:
    parts = {name: _split(shards, name, options) for name in shards.splits}
    return Splits(
        train=parts["train"],
        test=parts["test"],
        validation=parts.get("validation"),
        group=options.group,
        time=options.time,
    )


def _refuse_script(script: Path) -> NoReturn:
    raise ArtifactError(
        "A loading script lies beside the data: older loaders run it",
        subject=str(script),
        rule="data are read, never run",
        expected="shards without a script",
        found=script.name,
        hint="Convert the data set to Parquet, and remove the script.",
    )


def _code(script: Path) -> CodeTree:
    from hauberk.formats.source import source_file

    def files() -> Iterator[Any]:
        yield source_file(Path(script.name), script.read_bytes())

    return CodeTree(name=str(script), root=script.parent, files=files)


# Pictures ----------------------------------------------------------------------------


def _images(root: Path, options: ScanOptions, like: Dataset | None) -> Any:
    from hauberk.formats.images import open_images

    return open_images(root, like=like, **_roles(options))


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


def _refusals(root: Path, opened: _Once) -> Iterator[Found]:
    """A subject that cannot be opened for each file that is no row of the data set."""
    try:
        found = opened()
    except HauberkError:
        return  # judged where the folder itself is opened
    for name, rule in found.refused[:MAX_NAMED]:
        yield "picture that cannot be read", partial(_refuse, root / name, rule), str(root / name)
    for name, what in found.carried[:MAX_NAMED]:
        yield (
            "picture that is more than one",
            partial(_refuse_carrier, root / name, what),
            str(root / name),
        )
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


def _refuse_carrier(path: Path, what: str) -> NoReturn:
    raise ArtifactError(
        "The picture is something else as well: other programs open it as that",
        subject=str(path),
        rule="a picture ends where its format says",
        expected="nothing behind the end but what cameras append",
        found=what,
        hint="Write the pixels anew, and find out where the file comes from.",
    )
