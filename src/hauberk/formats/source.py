"""A tree of code as subjects: text files of a folder, and what its git history still holds.

Nothing of the tree runs. Files are read as bytes within bounds; links are not followed.
Git is asked with its plumbing only, in an environment where neither the repository's
configuration nor the user's can start a program: no hooks, no file-system monitor, no
pager, no filters, no aliases.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from hauberk.core.artifact import CodeTree, Digest, SourceFile
from hauberk.errors import ArtifactError, UnavailableError, UsageError

MAX_FILE_BYTES = 4 << 20
"""Code and configuration are smaller; a larger file is listed as not read."""

MAX_KEPT_TEXT = 32 << 20
"""Letters of a tree that are kept for the passes of all controls."""

MAX_FILES = 1_000_000
MAX_HISTORY_BLOBS = 1_000_000
MAX_HISTORY_BYTES = 1 << 20
"""Blobs of the history above this are no code."""

_SNIFF = 8_192
_LEFT_OUT = frozenset(
    """
    .git .hg .svn .hauberk .mypy_cache .nox .pytest_cache .ruff_cache .tox .venv __pycache__
    node_modules venv
    """.split()  # noqa: SIM905 - a table of names reads better as words
)


@dataclass(frozen=True, slots=True)
class _Blob:
    """One version of a file in the history."""

    commit: str
    path: str
    oid: str


def open_tree(root: Path, *, history: bool = True) -> CodeTree:
    """The tree of code at ``root``; constructing it reads nothing but names.

    Args:
        history: Whether blobs that are no longer in the work tree are offered too, where
            ``root`` is the top of a git repository or lies in one.

    Raises:
        UsageError: There is no such folder.
    """
    if not root.is_dir():
        raise UsageError(
            "there is no such folder of code",
            subject=str(root),
            expected="a folder",
            found="a file" if root.exists() else "nothing",
        )
    opened = partial(_history, root) if history and repository(root) else None
    return CodeTree(
        name=str(root),
        root=root,
        files=_Passes(root),
        history=opened,
        unread=partial(_unread, root),
    )


def repository(root: Path) -> bool:
    """Whether git sees a work tree or bare repository at ``root``."""
    git = shutil.which("git")
    return git is not None and ask(git, root, "rev-parse", "--git-dir") is not None


def has_commits(root: Path) -> bool:
    """Whether any reference of the repository at ``root`` leads to a commit."""
    git = shutil.which("git")
    return git is not None and bool(ask(git, root, "rev-list", "--all", "--max-count=1"))


def is_bare(root: Path) -> bool:
    """Whether ``root`` is a repository without a work tree; then its newest commit is its files."""
    if not (root / "objects").is_dir() or not (root / "HEAD").is_file():
        return False
    git = shutil.which("git")
    answer = ask(git, root, "rev-parse", "--is-bare-repository") if git else None
    return answer is not None and answer.strip() == b"true"


# Files ---------------------------------------------------------------------------------


def _committed(git: str, root: Path) -> Iterator[_Blob]:
    """The files of the newest commit."""
    listed = ask(git, root, "ls-tree", "-r", "-z", "--full-tree", "HEAD") or b""
    for line in listed.split(b"\0"):
        head, _, name = line.partition(b"\t")
        words = head.split()
        if len(words) == 3 and words[1] == b"blob" and words[0] != b"120000":  # noqa: PLR2004 - mode, type, id
            yield _Blob("HEAD", os.fsdecode(name), words[2].decode("ascii", "replace"))


def _committed_files(root: Path) -> Iterator[tuple[Path, bytes | None]]:
    """Path and bytes of each file of the newest commit; ``None`` for what cannot be read."""
    git = shutil.which("git")
    if git is None:
        return
    blobs = sorted(_committed(git, root), key=lambda blob: Path(blob.path))
    with _batch(git, root) as process:
        for blob in blobs:
            found = _beginning(process, blob.oid, MAX_FILE_BYTES)
            whole = found is not None and found[1] <= MAX_FILE_BYTES
            yield Path(blob.path), found[0] if found is not None and whole else None


def _files(root: Path) -> Iterator[SourceFile]:
    if is_bare(root):
        for path, data in _committed_files(root):
            if data is not None and b"\0" not in data[:_SNIFF]:
                yield source_file(path, data)
        return
    for path in _walk(root):
        data = _read(path)
        if data is None or b"\0" in data[:_SNIFF]:
            continue
        yield source_file(path.relative_to(root), data)


class _Passes:
    """Passes over the files of a tree: all controls see what the first whole pass has read.

    So a tree that is being written to is judged as one state of it, and is read once. A tree
    whose text is larger than `MAX_KEPT_TEXT` is read anew in each pass.
    """

    __slots__ = ("_kept", "_root")

    def __init__(self, root: Path) -> None:
        self._root = root
        self._kept: tuple[SourceFile, ...] | None = None

    def __call__(self) -> Iterator[SourceFile]:
        return iter(self._kept) if self._kept is not None else self._read()

    def _read(self) -> Iterator[SourceFile]:
        kept: list[SourceFile] = []
        size = 0
        for file in _files(self._root):
            size += len(file.text)
            if size <= MAX_KEPT_TEXT:
                kept.append(file)
            else:
                kept.clear()
            yield file
        if size <= MAX_KEPT_TEXT:
            self._kept = tuple(kept)


def source_file(path: Path, data: bytes) -> SourceFile:
    """Bytes as a file of code; what is not UTF-8 is replaced and marked as lossy."""
    text = data.decode("utf-8", "replace")
    return SourceFile(
        name=path.as_posix(),
        digest=Digest(f"sha256:{hashlib.sha256(data).hexdigest()}"),
        path=path,
        text=text.removeprefix("\ufeff"),
        lossy="\ufffd" in text,
    )


def _unread(root: Path) -> Iterable[tuple[Path, str]]:
    if is_bare(root):
        for path, data in _committed_files(root):
            if data is None or b"\0" in data[:_SNIFF]:
                yield path, "too large, damaged or no text; check the repository out to judge it"
        return
    for path in _walk(root):
        reason = _why_unread(path)
        if reason:
            yield path.relative_to(root), reason


def _why_unread(path: Path) -> str:
    try:
        size = path.lstat().st_size
        if size > MAX_FILE_BYTES:
            return f"{size} bytes, more than {MAX_FILE_BYTES}"
        path.open("rb").close()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def walk_files(root: Path) -> Iterator[Path]:
    """Regular files below ``root``, sorted by path, whatever they hold."""
    return _walk(root)


def _walk(root: Path) -> Iterator[Path]:
    """Regular files below ``root``, sorted by path; links and special files are left out."""
    waiting, count = [root], 0
    while waiting:
        folder = waiting.pop()
        folders = []
        for path in _sorted(folder):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue  # taken away since the folder was listed: no part of the tree
            if stat.S_ISDIR(mode) and path.name not in _LEFT_OUT:
                folders.append(path)
            elif stat.S_ISREG(mode):
                count += 1
                if count > MAX_FILES:
                    raise ArtifactError(
                        "the tree holds too many files",
                        subject=str(root),
                        expected=f"at most {MAX_FILES}",
                        found="more",
                    )
                yield path
        waiting.extend(reversed(folders))


def _sorted(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder))
    except OSError as error:
        raise UnavailableError(
            "a folder of code cannot be read",
            subject=str(folder),
            found=error.strerror or type(error).__name__,
        ) from error


def _read(path: Path) -> bytes | None:
    """A file within bounds; ``None`` for one that `_unread` tells of."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    return data if len(data) <= MAX_FILE_BYTES else None


# History -------------------------------------------------------------------------------


def _history(root: Path) -> Iterator[SourceFile]:
    """Each blob of the history once that no file of the work tree holds, oldest first."""
    git = shutil.which("git")
    if git is None:
        raise UnavailableError("git is not installed", subject=str(root), hint="install git")
    present = set(_present(git, root))
    blobs = [blob for blob in _changed(git, root) if blob.oid not in present]
    with _batch(git, root) as process:
        for blob in blobs:
            data = _blob(process, blob.oid)
            if data is not None and b"\0" not in data[:_SNIFF]:
                yield source_file(Path(f"{blob.commit[:12]}:{blob.path}"), data)


def past_blobs(root: Path, max_bytes: int = 16 << 20) -> Iterator[tuple[str, bytes, int]]:
    """Each blob that only the history holds: ``<commit>:<path>``, its beginning, its size.

    Raises:
        UnavailableError: Git is not installed.
    """
    git = shutil.which("git")
    if git is None:
        raise UnavailableError("git is not installed", subject=str(root), hint="install git")
    present = set(_present(git, root))
    blobs = [blob for blob in _changed(git, root) if blob.oid not in present]
    with _batch(git, root) as process:
        for blob in blobs:
            found = _beginning(process, blob.oid, max_bytes)
            if found is not None:
                yield f"{blob.commit[:12]}:{blob.path}", *found


def _present(git: str, root: Path) -> Iterator[str]:
    """Object ids of the files as they are checked out now, or of the newest commit."""
    if is_bare(root):
        yield from (blob.oid for blob in _committed(git, root))
        return
    listed = ask(git, root, "ls-files", "--stage", "-z") or b""
    for line in listed.split(b"\0"):
        words = line.split()
        if len(words) > 1:
            yield words[1].decode("ascii", "replace")


def _changed(git: str, root: Path) -> Iterator[_Blob]:
    """Every blob that any commit of any reference brought in, with the first such commit.

    Only paths below ``root`` count: a project may be a folder of a larger repository, or lie
    untracked in one that is none of its business.
    """
    listed = ask(
        git,
        root,
        *("log", "--all", "--reverse", "--raw", "--no-abbrev", "--no-renames", "-m", "-z"),
        *("--format=commit %H", "--no-show-signature", "--no-ext-diff", "--no-textconv"),
        *("--full-history", "--", *([] if is_bare(root) else ["."])),
    )
    seen: set[str] = set()
    commit, raw = "", b""
    for part in (listed or b"").split(b"\0"):
        if part.lstrip(b"\n").startswith(b"commit "):
            commit = part.strip().split()[1].decode("ascii", "replace")
        elif part.lstrip(b"\n").startswith(b":"):
            raw = part
        elif raw:
            oid = raw.split()[3].decode("ascii", "replace")
            raw = b""
            if set(oid) != {"0"} and oid not in seen and len(seen) < MAX_HISTORY_BLOBS:
                seen.add(oid)
                yield _Blob(commit, part.decode("utf-8", "replace"), oid)


def _batch(git: str, root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (*command(git, root), "cat-file", "--batch"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )


def _blob(process: subprocess.Popen[bytes], oid: str) -> bytes | None:
    """One blob; ``None`` where it is missing, damaged, no blob or too large."""
    found = _beginning(process, oid, MAX_HISTORY_BYTES)
    return found[0] if found is not None and found[1] <= MAX_HISTORY_BYTES else None


def _beginning(
    process: subprocess.Popen[bytes], oid: str, max_bytes: int
) -> tuple[bytes, int] | None:
    """The beginning of one blob and its size; ``None`` where it is missing or no blob."""
    asked, answers = _pipe(process.stdin), _pipe(process.stdout)
    asked.write(oid.encode() + b"\n")
    asked.flush()
    words = answers.readline().split()
    if len(words) != 3:  # noqa: PLR2004 - id, type, size
        return None
    size = int(words[2])
    kept = answers.read(min(size, max_bytes))
    _skip(answers, size - len(kept) + 1)
    return (kept, size) if words[1] == b"blob" else None


def _skip(stream: IO[bytes], count: int) -> None:
    while count > 0:
        piece = stream.read(min(count, 1 << 20))
        if not piece:
            return
        count -= len(piece)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise UnavailableError("git gave no pipe")
    return stream


# Asking git ----------------------------------------------------------------------------


def command(git: str, root: Path) -> tuple[str, ...]:
    """The beginning of a git command that runs nothing which the repository names."""
    return (
        git,
        "--no-pager",
        "--no-replace-objects",
        "-C",
        str(root),
        *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
        *("-c", "core.attributesFile=/dev/null", "-c", "protocol.allow=never"),
    )


def environment() -> dict[str, str]:
    """Variables for git: nothing of the user's configuration, no prompts, no locks."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
    }


def ask(git: str, root: Path, *words: str, timeout_s: float = 300.0) -> bytes | None:
    """What one plumbing command prints; ``None`` where it fails.

    Raises:
        UnavailableError: It takes longer than ``timeout_s``.
    """
    try:
        done = subprocess.run(
            (*command(git, root), *words),
            env=environment(),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            "git takes too long", subject=str(root), found=f"{timeout_s:g} s"
        ) from error
    return done.stdout if done.returncode == 0 else None
