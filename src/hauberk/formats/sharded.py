"""Folders of shards as one table: what `datasets` saves, and Parquet shards by split.

`datasets` keeps Arrow streams beside ``dataset_info.json`` and ``state.json``, splits as
folders named in ``dataset_dict.json``; hubs keep ``train-00000-of-00002.parquet`` and the
like, in the folder or below ``data``. Shards of one split have one schema and are read in the
order that ``state.json`` gives, else by name. Scripts beside them are never run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Batch, Dataset
from hauberk.errors import ArtifactError, UsageError
from hauberk.formats.batches import bounded, check_names, columns_of

MAX_SHARDS = 100_000
MAX_JSON_BYTES = 16 << 20
"""Of a description: thousands of features fit."""

_SHARD = re.compile(
    r"(?:^|.*[-_.])?(?P<split>train|training|test|validation|valid|val|dev)"
    r"(?:[-_.]\d+(?:-of-\d+)?)?\.(?:parquet|arrow)$"
)
_ROLES = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """What lies in a folder of shards.

    Attributes:
        splits: Name of each split to its files in order; ``""`` where there is only one part.
        scripts: Python files that older loaders would run.
        label: The one column that is declared as classes, where there is one.
    """

    root: Path
    splits: Mapping[str, tuple[Path, ...]]
    scripts: tuple[Path, ...]
    label: str | None = None


def find_shards(root: Path) -> Shards | None:
    """The shards below ``root``, or ``None`` where it is no such folder.

    Raises:
        ArtifactError: A description beside the shards is malformed or points elsewhere.
    """
    splits: dict[str, tuple[Path, ...]] = {}
    described = root
    if (root / "dataset_dict.json").is_file():
        for name in _names(root / "dataset_dict.json", "splits"):
            splits[_role(name)] = _saved(root / _plain(name, root))
            described = root / name
    elif (root / "state.json").is_file() and (root / "dataset_info.json").is_file():
        splits[""] = _saved(root)
    else:
        splits = _by_name(root)
    if not splits:
        return None
    scripts = tuple(sorted(root.glob(f"{root.resolve().name}.py"))) or tuple(
        path for path in sorted(root.glob("*.py")) if b"GeneratorBasedBuilder" in _head(path)
    )
    return Shards(root=root, splits=splits, scripts=scripts, label=_label(described))


def open_shards(
    shards: Shards,
    split: str,
    *,
    label: str | None = None,
    sensitive: tuple[str, ...] = (),
    source: str | None = None,
    annotator: str | None = None,
) -> Dataset:
    """One split as a data set.

    Raises:
        ArtifactError: A shard is malformed, or has other columns than the first.
        UsageError: A named column does not exist.
    """
    opened = [_open(path) for path in shards.splits[split]]
    schema = opened[0][0]
    for path, (other, _) in zip(shards.splits[split], opened, strict=True):
        if other != schema:
            raise ArtifactError(
                "shards of one split have different columns",
                subject=str(path),
                expected=", ".join(schema.names)[:300],
                found=", ".join(other.names)[:300],
                hint="write the split again in one go",
            )
    readers = [read for _, read in opened]
    name = str(shards.root / split) if split else str(shards.root)
    columns = columns_of(schema, next(readers[0](), None))
    known = {column.name for column in columns}
    label = label or (shards.label if shards.label in known else None)
    for role in (label, source, annotator, *sensitive):
        if role is not None and role not in known:
            raise UsageError(
                f"The shards have no column {role!r}",
                subject=name,
                expected=", ".join(sorted(known))[:300],
                found=role,
            )
    return Dataset(
        name=name,
        columns=columns,
        read=lambda: chain.from_iterable(read() for read in readers),
        label=label,
        sensitive=sensitive,
        source=source,
        annotator=annotator,
        path=shards.root,
    )


def _open(path: Path) -> tuple[Any, Callable[[], Iterator[Batch]]]:
    from hauberk.formats.columnar import ARROW_MAGIC, PARQUET_MAGIC, open_arrow, open_parquet

    head = _head(path)
    if head.startswith(PARQUET_MAGIC):
        return open_parquet(path)
    if head.startswith(ARROW_MAGIC):
        return open_arrow(path)
    return _open_stream(path)


def _open_stream(path: Path) -> tuple[Any, Callable[[], Iterator[Batch]]]:
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            schema = reader.schema.remove_metadata()
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, error) from None
    check_names(schema.names, str(path))
    return schema, lambda: bounded(_stream(path))


def _stream(path: Path) -> Iterator[Any]:
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                batch.validate(full=True)  # offsets inside the buffers are the file's claim
                yield batch.replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, error) from None


def _broken(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        "a shard cannot be read",
        subject=str(path),
        rule="shards are whole Arrow streams, Arrow files or Parquet files",
        found=(str(error).splitlines() or [type(error).__name__])[0][:200],
        hint="fetch or write it again",
    )


# Descriptions ------------------------------------------------------------------------


def _saved(folder: Path) -> tuple[Path, ...]:
    """The files that ``state.json`` names, in its order."""
    state = _json(folder / "state.json")
    files = state.get("_data_files")
    if not isinstance(files, list) or not 0 < len(files) <= MAX_SHARDS:
        raise _malformed(folder / "state.json", "a list of shards as _data_files")
    names = [item.get("filename") if isinstance(item, dict) else None for item in files]
    return tuple(folder / _plain(name, folder) for name in names)


def _names(path: Path, key: str) -> list[str]:
    names = _json(path).get(key)
    if not isinstance(names, list) or not names or len(names) > MAX_SHARDS:
        raise _malformed(path, f"a list of names as {key}")
    return names


def _plain(name: Any, folder: Path) -> str:
    """A name that stays inside of the folder, of something that is there."""
    if not isinstance(name, str) or not name or "/" in name or "\\" in name or name[0] == ".":
        raise _malformed(folder, "names of files in the same folder")
    path = folder / name
    if path.is_symlink() or not path.exists():
        raise _malformed(path, "a file or folder that is there and no link")
    return name


def _label(folder: Path) -> str | None:
    """The one feature declared as classes, from ``dataset_info.json``."""
    path = folder / "dataset_info.json"
    features = _json(path).get("features") if path.is_file() else None
    if not isinstance(features, dict):
        return None
    named = [
        name
        for name, item in features.items()
        if isinstance(item, dict) and item.get("_type") == "ClassLabel"
    ]
    return named[0] if len(named) == 1 else None


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise _malformed(path, f"at most {MAX_JSON_BYTES} bytes")
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise _malformed(path, "a JSON object that can be read") from None
    if not isinstance(document, dict):
        raise _malformed(path, "a JSON object")
    return document


def _malformed(path: Path, expected: str) -> ArtifactError:
    return ArtifactError(
        "the description of a data set is malformed",
        subject=str(path),
        rule="descriptions name shards in their own folder",
        expected=expected,
        hint="save the data set again",
    )


def _by_name(root: Path) -> dict[str, tuple[Path, ...]]:
    splits: dict[str, list[Path]] = {}
    for folder in (root, root / "data"):
        if not folder.is_dir() or folder.is_symlink():
            continue
        for path in sorted(folder.iterdir()):
            found = _SHARD.match(path.name.lower())
            if found and path.is_file() and not path.is_symlink():
                splits.setdefault(_role(found["split"]), []).append(path)
    # One file per split is a table by itself; only shards make a folder a data set.
    is_sharded = any(len(paths) > 1 for paths in splits.values()) or "train" in splits
    return {name: tuple(paths) for name, paths in splits.items()} if is_sharded else {}


def _role(name: str) -> str:
    return _ROLES.get(name, name)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1 << 16)
    except OSError:
        return b""
