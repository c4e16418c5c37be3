"""Folders of pictures as one `Dataset`, decoded in an isolated worker.

One row is one file, in the order of the paths below the folder. The label is the name of
the folder that a picture lies in, or a column of a file beside them (``metadata.csv``,
``labels.jsonl`` ...) that names each picture. Pictures of one size are taken as they are;
others are brought to one size, since rows of a table are alike. What cannot be decoded is
no row: it is named in `ImageFolder.refused`, so that rows in are rows out and refused.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Batch, Column, ColumnKind, Dataset
from hauberk.errors import ArtifactError, LimitError, UnavailableError, UsageError
from hauberk.formats.batches import rows_per_batch
from hauberk.isolation import Grants, Limits, spawn

MAX_SIDE = 96
"""Larger pictures are made smaller: what is wrong with a set shows in its small pictures."""

MAX_IMAGES = 2_000_000

MAX_KEPT_BYTES = 512 << 20
"""Decoded pixels kept between passes; beyond it each pass decodes again."""

MIN_SHARE = 0.8
"""Share of pictures among the files from which on a folder is one of pictures."""

LABEL = "label"
IMAGE = "image"

_CHUNK_FILES = 1_000
_CHUNK_BYTES = 64 << 20
_SAME_SIZE = 0.9
_HEAD = 16
_LIMITS = Limits(wall_s=300, cpu_s=300, memory_bytes=2 << 30, processes=4)
_WORKER = "hauberk.formats.image_worker"

_MAGICS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")
_NETPBM = {b"P4", b"P5", b"P6"}
_NAMES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".svg")
_TABLES = ("metadata", "labels", "annotations")
_FILE_COLUMNS = ("file_name", "filename", "file", "image", "path", "image_path")
_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_BESIDE = (".md", ".txt", ".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """What lies in a folder of pictures.

    Attributes:
        dataset: The rows that could be read.
        files: Path of each row below the folder.
        refused: Path below the folder to the rule that the file breaks.
        notes: Path below the folder to what a reader should know of the picture.
        carried: Path below the folder to what the file is besides a picture.
    """

    dataset: Dataset
    files: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    carried: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """The one size and mode of all rows."""

    width: int
    height: int
    grey: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width) if self.grey else (self.height, self.width, 3)

    @property
    def n_bytes(self) -> int:
        return self.width * self.height * (1 if self.grey else 3)


def is_image(path: Path) -> bool:
    """Whether the first bytes are those of a picture that can be decoded here."""
    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    is_netpbm = head[:2] in _NETPBM and head[2:3].isspace()
    return head.startswith(_MAGICS) or is_webp or is_netpbm


def is_image_folder(root: Path) -> bool:
    """Whether most files below ``root`` are pictures, beside at most a table and papers."""
    pictures, others = 0, 0
    for path in _files(root):
        if is_image(path) or path.suffix.lower() in _NAMES:
            pictures += 1
        elif path.suffix.lower() not in (*_ENDINGS, *_BESIDE):
            others += 1
    return pictures > 1 and pictures >= MIN_SHARE * (pictures + others)


def is_part(path: Path) -> bool:
    """Whether a file in a folder of pictures is a row of it, or the table that names rows."""
    is_table = path.stem.lower() in _TABLES and path.suffix.lower() in _ENDINGS
    return not path.is_symlink() and (is_table or _is_candidate(path))


def image_splits(root: Path) -> dict[str, Path]:
    """``train``, ``test`` and ``validation`` below ``root``, where it is laid out so."""
    roles = {"train": "train", "training": "train", "test": "test", "testing": "test"}
    roles |= {"val": "validation", "valid": "validation", "validation": "validation"}
    found = {
        roles[entry.name.lower()]: Path(entry.path)
        for entry in sorted(os.scandir(root), key=lambda entry: entry.name)
        if entry.is_dir(follow_symlinks=False) and entry.name.lower() in roles
    }
    return found if "train" in found else {}


def open_images(
    root: Path, *, label: str | None = None, like: Dataset | None = None, **roles: Any
) -> ImageFolder:
    """The pictures below ``root`` as a data set.

    Args:
        like: Pictures whose size and mode these are brought to.
        label: Column to use as the label; by default the folder of each picture, or the
            column ``label`` of the table beside them.
        roles: ``sensitive``, ``source``, ``annotator``: further columns of that table.

    Raises:
        ArtifactError: There are too many pictures, or none that can be decoded.
        UsageError: A named column does not exist.
        UnavailableError: Pillow is missing.
    """
    names = [path for path in _files(root) if _is_candidate(path)]
    seen = _survey(root, names)
    form = _form_of(like) or _form([item for item in seen if isinstance(item, list)], root)
    reader = _Reader(root=root, form=form)
    kept, refused = reader.first_pass(names, seen)
    if not kept:
        raise _nothing(root, refused)
    table = _beside(root, kept) or _by_folder(kept, label)
    dataset = _dataset(root, reader, form, table, label=label, **roles)
    notes = [
        (_below(root, path), note)
        for path, item in zip(names, seen, strict=True)
        if isinstance(item, list)
        for note in item[3]
    ]
    return ImageFolder(
        dataset=dataset,
        files=tuple(_below(root, path) for path in kept),
        refused=tuple(refused),
        notes=tuple(notes),
        carried=tuple(
            (_below(root, path), item[4])
            for path, item in zip(names, seen, strict=True)
            if isinstance(item, list) and item[4]
        ),
    )


def _is_candidate(path: Path) -> bool:
    return is_image(path) or path.suffix.lower() in _NAMES


def _files(root: Path) -> Iterator[Path]:
    """Regular files below ``root`` by path; links are not followed."""
    count = 0
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_symlink() or name.startswith("."):
                continue
            count += 1
            if count > MAX_IMAGES:
                raise ArtifactError(
                    "the folder holds too many files",
                    subject=str(root),
                    rule=f"at most {MAX_IMAGES} files in one data set",
                    hint="pack them into shards and scan those",
                )
            yield path


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


# Decoding ----------------------------------------------------------------------------


def _survey(root: Path, names: Sequence[Path]) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(names), _CHUNK_FILES):
        part = names[start : start + _CHUNK_FILES]
        answer = _asked(root, "survey", part, {})
        found += json.loads(answer) if answer is not None else ["cannot be read within limits"]
    return found


def _form(seen: list[list[Any]], root: Path) -> _Form:
    """The size that nearly all have, else that of the middle one, never above `MAX_SIDE`."""
    if not seen:
        raise _nothing(root, [])
    sizes = Counter((item[0], item[1]) for item in seen)
    (width, height), count = sizes.most_common(1)[0]
    if count < _SAME_SIZE * len(seen):
        width = height = sorted(min(item[0], item[1]) for item in seen)[len(seen) // 2]
    shrink = max(width, height, MAX_SIDE) / MAX_SIDE
    return _Form(
        width=max(1, round(width / shrink)),
        height=max(1, round(height / shrink)),
        grey=all(item[2] for item in seen),
    )


def _form_of(like: Dataset | None) -> _Form | None:
    shapes = [c.shape for c in like.columns if c.kind is ColumnKind.IMAGE] if like else []
    if not shapes:
        return None
    height, width, *channels = shapes[0]
    return _Form(width=width, height=height, grey=not channels)


def _nothing(root: Path, refused: Sequence[tuple[str, str]]) -> ArtifactError:
    first = f"{refused[0][0]}: {refused[0][1]}" if refused else "none"
    return ArtifactError(
        "no picture of the folder can be decoded",
        subject=str(root),
        rule="a folder of pictures holds at least one that can be read",
        expected="PNG, JPEG, GIF, BMP, WEBP, TIFF or PPM",
        found=first,
        hint="fetch or write the files again",
    )


def _asked(root: Path, task: str, files: Sequence[Path], more: dict[str, Any]) -> bytes | None:
    """The worker's answer, or ``None`` where a single file takes it beyond its limits."""
    request = {"files": [str(path.resolve()) for path in files], **more}
    try:
        return spawn(
            f"{_WORKER}:{task}",
            json.dumps(request).encode(),
            grants=Grants(read=(root.resolve(),)),
            limits=_LIMITS,
        )
    except LimitError:
        if len(files) == 1:
            return None
        raise
    except UnavailableError as error:
        if "worker" in str(error) and len(files) == 1:
            return None
        raise


@dataclass(slots=True)
class _Reader:
    """Decodes the rows, and keeps them where they are few."""

    root: Path
    form: _Form
    kept: tuple[Path, ...] = ()
    parts: tuple[Any, ...] | None = None

    def first_pass(
        self, names: Sequence[Path], seen: Sequence[Any]
    ) -> tuple[tuple[Path, ...], list[tuple[str, str]]]:
        """The files that can be decoded, and the others with their reasons."""
        refused = [
            (_below(self.root, path), item)
            for path, item in zip(names, seen, strict=True)
            if isinstance(item, str)
        ]
        good = [path for path, item in zip(names, seen, strict=True) if not isinstance(item, str)]
        kept: list[Path] = []
        parts: list[Any] | None = [] if len(good) * self.form.n_bytes <= MAX_KEPT_BYTES else None
        for files, pixels, troubles in self._chunks(good):
            refused += [(_below(self.root, path), reason) for path, reason in troubles]
            kept += files
            if parts is not None:
                parts.append(pixels)
        self.kept, self.parts = tuple(kept), None if parts is None else tuple(parts)
        return self.kept, sorted(refused)

    def pixels(self) -> Iterator[Any]:
        """``(n, *shape)`` uint8 arrays of consecutive rows."""
        if self.parts is not None:
            yield from (part for part in self.parts if len(part))
            return
        for _, pixels, troubles in self._chunks(self.kept):
            if troubles:
                raise ArtifactError(
                    "a picture changed while it was read",
                    subject=str(troubles[0][0]),
                    rule="files stay as they are during a scan",
                    found=troubles[0][1],
                    hint="scan a copy",
                )
            yield pixels

    def _chunks(self, files: Sequence[Path]) -> Iterator[Any]:
        step = max(1, min(_CHUNK_FILES, _CHUNK_BYTES // self.form.n_bytes))
        for start in range(0, len(files), step):
            yield from self._decoded(files[start : start + step])

    def _decoded(self, files: Sequence[Path]) -> Iterator[Any]:
        import numpy as np

        form = {"width": self.form.width, "height": self.form.height, "grey": self.form.grey}
        try:
            answer = _asked(self.root, "decode", files, form)
        except UnavailableError:
            if len(files) == 1:
                raise
            half = len(files) // 2
            yield from self._decoded(files[:half])
            yield from self._decoded(files[half:])
            return
        if answer is None:
            empty = np.zeros((0, *self.form.shape), np.uint8)
            yield [], empty, [(files[0], "takes more than a worker may use")]
            return
        head, _, raw = answer.partition(b"\n")
        reasons = json.loads(head)
        good = [path for path, reason in zip(files, reasons, strict=True) if reason is None]
        bad = [(path, why) for path, why in zip(files, reasons, strict=True) if why is not None]
        pixels = np.frombuffer(raw, np.uint8).reshape(len(good), *self.form.shape)
        yield good, pixels, bad


# Labels ------------------------------------------------------------------------------


def _by_folder(kept: Sequence[Path], label: str | None) -> dict[str, Any]:
    import pyarrow as pa

    folders = [path.parent.name for path in kept]
    if len(set(folders)) < 2 and len({path.parent for path in kept}) < 2:  # noqa: PLR2004 - classes
        return {}
    return {label or LABEL: pa.array(folders, pa.string())}


def _beside(root: Path, kept: Sequence[Path]) -> dict[str, Any] | None:
    """The columns of the table that names the pictures, in the order of the rows."""
    import pyarrow as pa

    for path in sorted(root.iterdir()):
        if path.stem.lower() not in _TABLES or path.suffix.lower() not in _ENDINGS:
            continue
        from hauberk.formats.tables import open_table

        table = open_table(path)
        key = next((c.name for c in table.columns if c.name.lower() in _FILE_COLUMNS), None)
        if key is None:
            continue
        rows = pa.Table.from_batches(table.read())
        place = {str(name): row for row, name in enumerate(rows.column(key).to_pylist())}
        taken = [place.get(_below(root, file), place.get(file.name)) for file in kept]
        found = rows.take(pa.array(taken, pa.int64())).drop_columns([key]).combine_chunks()
        return {
            name: _one(found.column(name))
            for name in found.column_names
            if name not in {IMAGE, *_FILE_COLUMNS}
        }
    return None


def _one(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _dataset(
    root: Path,
    reader: _Reader,
    form: _Form,
    table: dict[str, Any],
    *,
    label: str | None,
    sensitive: Sequence[str] = (),
    source: str | None = None,
    annotator: str | None = None,
) -> Dataset:
    from hauberk.formats.batches import columns_of

    if label is None and LABEL in table:
        label = LABEL
    named = [name for name in (label, source, annotator, *sensitive) if name is not None]
    absent = [name for name in named if name not in table]
    if absent:
        raise UsageError(
            f"The pictures have no column {absent[0]!r}",
            subject=str(root),
            rule="roles name columns that exist",
            expected=", ".join(table) or "a folder for each class, or a metadata.csv",
            found=absent[0],
            hint="put a metadata.csv with file_name and further columns beside the pictures",
        )
    import pyarrow as pa

    fields = pa.schema([(name, cells.type) for name, cells in table.items()])
    sample = pa.record_batch(list(table.values()), schema=fields) if table else None
    columns = (
        Column(name=IMAGE, kind=ColumnKind.IMAGE, shape=form.shape),
        *(columns_of(fields, sample) if table else ()),
    )
    return Dataset(
        name=str(root),
        columns=columns,
        read=lambda: _batches(reader, table),
        label=label,
        sensitive=tuple(sensitive),
        source=source,
        annotator=annotator,
        path=root,
        files=tuple(_below(root, path) for path in reader.kept),
    )


def _batches(reader: _Reader, table: dict[str, Any]) -> Iterator[Batch]:
    import numpy as np
    import pyarrow as pa

    first = 0
    step = rows_per_batch(reader.form.n_bytes)
    for pixels in reader.pixels():
        for start in range(0, len(pixels), step):
            part = np.ascontiguousarray(pixels[start : start + step])
            cells = pa.FixedShapeTensorArray.from_numpy_ndarray(part)
            others = [column.slice(first, len(part)) for column in table.values()]
            yield pa.RecordBatch.from_arrays([cells, *others], names=[IMAGE, *table])
            first += len(part)
