"""Subjects at a path, found by content.

A folder is a tree of code, with its history where it is a repository, and every file in it
is looked at as its own kind besides. Links are not followed, so nothing outside of the path
is read. What cannot be opened comes as a subject that cannot be judged, never as silence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from hauberk.core.model_file import ModelFile
from hauberk.errors import LimitError, UsageError
from hauberk.scanner.kinds import FileKind, Rows, kind_of, rows_in
from hauberk.scanner.options import ScanOptions

if TYPE_CHECKING:
    from hauberk.core.artifact import CodeTree, Comparison, SourceFile
    from hauberk.core.finding import Assessment
    from hauberk.isolation.crew import Crew

MAX_FILES = 1_000_000

_LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", ".hauberk", "__pycache__", "node_modules", ".venv", "venv"}
)


class Located(NamedTuple):
    """One thing to judge.

    Attributes:
        path: How it is called in the result.
        kind: What it was taken for, in words.
        open: Makes the subject; may raise what assessing it may raise. ``None`` where no
            control looks at such content.
        assessments: What a worker that looked at the file has said of it already.
        apart: Whether a process of its own opens and judges it.
        alone: The file whose bytes are all that decides what is said of it; ``None`` where
            more does.
    """

    path: str
    kind: str
    open: Callable[[], Any] | None
    assessments: tuple[Assessment, ...] | None = None
    apart: bool = False
    alone: Path | None = None


def _near(path: Path) -> str:
    """A hint at a name beside it that is meant, perhaps."""
    from difflib import get_close_matches

    try:
        beside = {entry.name.casefold(): entry.name for entry in os.scandir(path.parent)}
    except OSError:
        return ""
    found = get_close_matches(path.name.casefold(), beside, n=1)
    return f"did you mean {path.with_name(beside[found[0]])}?" if found else ""


def locate(
    path: Path, options: ScanOptions | None = None, crew: Crew | None = None
) -> Iterator[Located]:
    """Everything to judge at ``path``, in a repeatable order.

    Args:
        crew: Who looks at the files; this process without one.

    Raises:
        UsageError: There is nothing at ``path``.
    """
    chosen = options or ScanOptions()
    if not os.path.lexists(path):
        raise UsageError(
            f"there is nothing at {path}",
            subject=str(path),
            expected="a file or a folder",
            hint=_near(path) or "look at the name; what lies at a URL is named with https://",
        )
    if path.is_dir():
        yield from _folder(path, chosen, crew)
        return
    if path.is_symlink() and crew is not None:
        from hauberk.scanner.apart import look_apart

        yield from _file(
            path, look_apart(path, digest=chosen.digest, follow=True), chosen, is_named=True
        )
        return
    for place, seen in _looked_at([path], crew):
        yield from _file(place, seen, chosen, is_named=True)


def _folder(root: Path, options: ScanOptions, crew: Crew | None) -> Iterator[Located]:
    from hauberk.formats.hub_folders import model_folders  # where there is a folder only
    from hauberk.formats.source import has_commits, is_bare, open_tree, repository
    from hauberk.scanner.data_folders import covered, data_folder, folder_subjects

    if is_bare(root):
        yield from _bare(root, options)
        return
    models = model_folders(root)
    is_row: Callable[[Path], bool] = lambda _: False  # noqa: E731 - a default
    if not repository(root) and root not in models and data_folder(root):
        for kind, opener, name in folder_subjects(root, options):
            yield Located(path=name, kind=kind, open=opener)
        is_row = covered(root)
    has_text = has_file = False
    beyond: list[Path] = []
    paths = (path for path in _walk(root, beyond) if not is_row(path))
    for path, seen in _looked_at(paths, crew):
        has_file = True
        for found in _file(path, seen, options, is_named=False):
            has_text = has_text or found.kind in {FileKind.TEXT, FileKind.TEXT_AND_MODEL}
            if found.kind != FileKind.TEXT:
                yield found
    yield from map(_unread, beyond)
    yield from (_model_folder(model, apart=crew is not None) for model in models)
    is_repository = repository(root)
    if has_text or (is_repository and (has_file or has_commits(root))):
        yield Located(
            path=str(root),
            kind="repository" if is_repository else "tree of code",
            open=lambda: open_tree(root, history=options.history),
        )


def _bare(root: Path, options: ScanOptions) -> Iterator[Located]:
    """What lies there is git's own; the commits are what is judged, where there are any."""
    from hauberk.formats.source import has_commits, open_tree

    if has_commits(root):
        yield Located(
            path=str(root),
            kind="repository",
            open=lambda: open_tree(root, history=options.history),
        )


def _model_folder(path: Path, *, apart: bool) -> Located:
    from hauberk.core.artifact import ModelFolder

    name = str(path)
    subject = ModelFolder(name=name, path=path)
    return Located(path=name, kind="model folder", open=lambda: subject, apart=apart)


def _walk(root: Path, beyond: list[Path]) -> Iterator[Path]:
    """What lies below ``root`` sorted by path, folders only where they cannot be read.

    Args:
        beyond: Takes the folder with which there are too many files; nothing more is read.
    """
    count = 0
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            files, folders = _listed(folder, MAX_FILES - count)
        except OSError:
            yield folder
            continue
        count += len(files) + len(folders)
        if count > MAX_FILES:
            beyond.append(folder)
            return
        yield from map(folder.joinpath, files)
        waiting += [folder / name for name in reversed(folders) if name not in _LEFT_OUT]


def _listed(folder: Path, room: int) -> tuple[list[str], list[str]]:
    """Names of files and of folders, sorted, of one more at most than there is room for."""
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
            if len(files) + len(folders) > room:
                break
    return sorted(files), sorted(folders)


def _unread(folder: Path) -> Located:
    opener = partial(_too_many, folder)
    return Located(path=str(folder), kind=FileKind.UNREADABLE, open=opener)


def _too_many(folder: Path) -> NoReturn:
    raise LimitError(
        "there are too many files: neither this folder nor what comes behind it was read",
        subject=str(folder),
        rule=f"at most {MAX_FILES} files in one scan",
        hint="scan its parts one by one",
    )


def _looked_at(
    paths: Iterable[Path], crew: Crew | None
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Each path with what a worker made of it; nothing where there is none."""
    if crew is None:
        yield from ((path, {}) for path in paths)
        return
    for path, answer in crew.each(map(str, paths)):
        yield Path(path), answer


def _file(
    path: Path, seen: Mapping[str, Any], options: ScanOptions, *, is_named: bool
) -> Iterator[Located]:
    name = str(path)
    if path.is_symlink() and not is_named:
        yield Located(path=name, kind="link", open=None)
        return
    if "died" in seen:
        from hauberk.scanner.looking import lost

        yield Located(
            path=name, kind=FileKind.UNREADABLE, open=None, assessments=(lost(name, seen["died"]),)
        )
        return
    kind = FileKind(seen["kind"]) if seen else kind_of(path)
    yield from _tables(path, seen, kind, options, is_named=is_named)
    kind = FileKind.TEXT if kind is FileKind.TEXT_OF_TABLES else kind
    if kind in {FileKind.TEXT, FileKind.TEXT_AND_MODEL}:
        yield from _text(path, seen, kind, is_named=is_named)
        if options.train is not None:
            yield Located(path=name, kind="report", open=lambda: _report(path, options))
    if kind is not FileKind.TEXT:
        yield from _pairs(path, seen, kind, options)
        for found in _model(path, name, kind, options, is_named=is_named):
            yield _with_answer(found, seen)


def _tables(
    path: Path, seen: Mapping[str, Any], kind: FileKind, options: ScanOptions, *, is_named: bool
) -> Iterator[Located]:
    if kind is FileKind.TEXT_OF_TABLES:
        yield _several(path, options, is_named=is_named)
    if kind in {FileKind.TABLE, FileKind.TABLE_AND_MODEL} and _is_wanted(
        path, seen, kind, options, is_named=is_named
    ):
        yield _table(path, kind, options, is_named=is_named)


def _several(path: Path, options: ScanOptions, *, is_named: bool) -> Located:
    """Tables that no control of data looks at: a gap where data was meant, else a note."""
    from hauberk.formats.json_objects import outline, several

    def refuse() -> NoReturn:
        found = outline(path)
        raise several(path, sorted(found.tables) if found else [])

    is_meant = is_named and options.has_roles()
    return Located(path=str(path), kind=FileKind.TEXT_OF_TABLES, open=refuse if is_meant else None)


def _table(path: Path, kind: FileKind, options: ScanOptions, *, is_named: bool) -> Located:
    alone = None
    if options.cache and not is_named:
        from hauberk.scanner.kept_tables import depends_on_nothing_else

        alone = path if depends_on_nothing_else(options) else None
    opener = partial(_data, path, options, is_named=is_named)
    return Located(path=str(path), kind=kind, open=opener, alone=alone)


def _with_answer(found: Located, seen: Mapping[str, Any]) -> Located:
    if "assessments" not in seen or found.open is None:
        return found
    from hauberk.scanner.looking import unpacked

    return found._replace(assessments=tuple(map(unpacked, seen["assessments"])))


def _text(
    path: Path, seen: Mapping[str, Any], kind: FileKind, *, is_named: bool
) -> Iterator[Located]:
    """Text as code, which a folder gives as one tree, and as settings where it is such."""
    from hauberk.scanner.stores import settings_at

    name, apart = str(path), bool(seen)
    if kind is FileKind.TEXT or is_named:
        yield Located(path=name, kind=kind, open=lambda: _one_file(path), apart=apart)
    if seen["settings"] if seen else settings_at(path) is not None:
        yield Located(
            path=name, kind="settings of a store", open=lambda: settings_at(path), apart=apart
        )


def _pairs(
    path: Path, seen: Mapping[str, Any], kind: FileKind, options: ScanOptions
) -> Iterator[Located]:
    """A model beside the one that it should be, where the caller names that."""
    against = options.against
    if against is None or not _is_model(kind):
        return
    if seen:
        from hauberk.scanner.apart import kind_apart

        other = kind_apart(against)
    else:
        other = kind_of(against).value
    if other and _is_model(FileKind(other)):
        opener = partial(_model_pair, path, str(path), against)
        yield Located(path=str(path), kind=kind, open=opener, apart=bool(seen))


def _model(
    path: Path, name: str, kind: FileKind, options: ScanOptions, *, is_named: bool
) -> Iterator[Located]:
    if kind is FileKind.OTHER and not is_named:
        yield Located(path=name, kind=kind, open=None)
    elif kind is not FileKind.TABLE:
        yield Located(path=name, kind=kind, open=lambda: _model_file(path, options))


def _model_file(path: Path, options: ScanOptions) -> ModelFile:
    from hauberk.scanner.looking import model_file

    return model_file(path, digest=options.digest)


def _is_wanted(
    path: Path,
    seen: Mapping[str, Any],
    kind: FileKind,
    options: ScanOptions,
    *,
    is_named: bool,
) -> bool:
    """Whether arrays are data: those named on the command line, or such as hold ``X``.

    Weights come in the same files: an archive without the arrays of a data set, or an array of
    records, is a model only, unless the caller says which arrays to take.
    """
    if kind is FileKind.TABLE or (is_named and options.arrays != ScanOptions().arrays):
        return True
    rows = Rows(seen["rows"]) if seen else rows_in(path)
    return rows is Rows.ARCHIVE or (is_named and rows is Rows.ARRAY)


def _is_model(kind: FileKind) -> bool:
    return kind in {FileKind.MODEL, FileKind.TABLE_AND_MODEL}


def _model_pair(path: Path, name: str, against: Path) -> Comparison[ModelFile]:
    from hauberk.core.artifact import Comparison

    old = ModelFile(name=str(against), path=against)
    return Comparison(old=old, new=ModelFile(name=name, path=path))


def _data(path: Path, options: ScanOptions, *, is_named: bool) -> Any:
    """The subject that a table is, alone or beside the one it is held against."""
    from hauberk.scanner.data_sources import beside, open_data

    return beside(open_data(path, options, is_named=is_named), options)


def _report(path: Path, options: ScanOptions) -> Any:
    """A text beside the rows of training that it must not show."""
    from hauberk.scanner.data_sources import report_beside

    return report_beside(path, options)


def _one_file(path: Path) -> CodeTree:
    """A single text file as a tree of code."""
    from hauberk.core.artifact import CodeTree
    from hauberk.formats import source

    def files() -> Iterator[SourceFile]:
        yield source.source_file(Path(path.name), path.read_bytes())

    def unread() -> Iterator[tuple[Path, str]]:
        size = path.lstat().st_size
        if size > source.MAX_FILE_BYTES or not stat.S_ISREG(path.lstat().st_mode):
            yield Path(path.name), f"{size} bytes, more than {source.MAX_FILE_BYTES}"

    is_small = path.lstat().st_size <= source.MAX_FILE_BYTES
    reader = files if is_small else lambda: iter(())
    return CodeTree(name=str(path), root=path.parent, files=reader, unread=unread)
