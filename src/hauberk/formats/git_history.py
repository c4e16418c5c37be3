"""The commits of a repository as data: who, when, what changed, signed or not, merged how.

Plumbing commands only, through `hauberk.formats.source`: no hooks, no configuration of the
user or of includes, no signature program, nothing that the repository names is run.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from hauberk.errors import ArtifactError
from hauberk.formats.source import ask, command, environment

MAX_COMMITS = 200_000
MAX_HEAD = 4096
"""Bytes of a blob that its kind is told by."""

_SEPARATOR = "\x1e"
_FORMAT = "%x1e%H%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x00"


@dataclass(frozen=True, slots=True)
class Change:
    """One path in one commit; an id of zeros means that there is no such file on that side."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit.

    Attributes:
        changes: Against its first parent.
        own: Of a merge what differs from every parent, as ``(path, parents' ids, id)``.
        is_signed: Whether it carries a signature; whether that is right is not asked.
    """

    oid: str
    parents: tuple[str, ...]
    author: tuple[str, str]
    authored: int
    committer: tuple[str, str]
    committed: int
    message: str
    is_signed: bool
    changes: tuple[Change, ...] = ()
    own: tuple[tuple[str, tuple[str, ...], str], ...] = ()


@dataclass(slots=True)
class History:
    """All commits of all references, parents before children, and the tags' messages."""

    root: Path
    commits: list[Commit] = field(default_factory=list)
    tags: list[tuple[str, str]] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)


def read_history(root: Path) -> History | None:
    """The history at ``root``; ``None`` where there is no repository of its own.

    Raises:
        ArtifactError: It has too many commits, or git cannot read it.
    """
    git = shutil.which("git")
    top = ask(git, root, "rev-parse", "--show-prefix") if git is not None else None
    if git is None or top is None or top.strip():
        return None
    listed = _log(git, root, "--diff-merges=first-parent")
    if listed is None:
        raise ArtifactError("git cannot read the history", subject=str(root), found="a failure")
    own = {commit.oid: commit.own for commit in _commits(_log(git, root, "--merges", "-c") or b"")}
    signed = _signed(git, root)
    history = History(root=root)
    for commit in _commits(listed):
        if len(history.commits) >= MAX_COMMITS:
            raise ArtifactError(
                "a history has too many commits",
                subject=str(root),
                expected=f"at most {MAX_COMMITS}",
                found="more",
            )
        history.commits.append(
            replace(commit, own=own.get(commit.oid, ()), is_signed=commit.oid in signed)
        )
    history.tags = list(_tags(git, root))
    replaced = ask(git, root, "for-each-ref", "--format=%(refname)", "refs/replace") or b""
    history.replaced = replaced.decode("utf-8", "replace").split()
    if (root / ".git" / "info" / "grafts").is_file():
        history.replaced.append("info/grafts")
    return history


def _log(git: str, root: Path, *words: str) -> bytes | None:
    return ask(
        git,
        root,
        *("log", "--all", "--topo-order", "--reverse", "--raw", "--no-abbrev", "--no-renames"),
        *("-z", f"--format={_FORMAT}", "--no-show-signature", "--no-ext-diff", "--no-textconv"),
        *words,
    )


def _commits(listed: bytes) -> Iterator[Commit]:
    for part in listed.decode("utf-8", "replace").split(_SEPARATOR)[1:]:
        fields = part.split("\0")
        if len(fields) < 9:  # noqa: PLR2004 - as many as the format names
            continue
        changes, own = _changes(fields[9:])
        yield Commit(
            oid=fields[0],
            parents=tuple(fields[1].split()),
            author=(fields[2], fields[3]),
            authored=int(fields[4] or 0),
            committer=(fields[5], fields[6]),
            committed=int(fields[7] or 0),
            message=fields[8],
            is_signed=False,
            changes=tuple(changes),
            own=tuple(own),
        )


def _changes(
    fields: list[str],
) -> tuple[list[Change], list[tuple[str, tuple[str, ...], str]]]:
    changes: list[Change] = []
    own: list[tuple[str, tuple[str, ...], str]] = []
    raw = ""
    for text in (item.lstrip("\n") for item in fields):
        if text.startswith(":"):
            raw = text
        elif raw and text:
            n_parents = len(raw) - len(raw.lstrip(":"))
            words = raw.lstrip(":").split()
            ids = words[n_parents + 1 : 2 * n_parents + 2]
            if n_parents == 1 and len(ids) > 1:
                changes.append(Change(text, ids[0], ids[1]))
            elif len(ids) == n_parents + 1:
                own.append((text, tuple(ids[:-1]), ids[-1]))
            raw = ""
    return changes, own


def _signed(git: str, root: Path) -> set[str]:
    """Commits whose header holds a signature."""
    listed = ask(git, root, "rev-list", "--all", "--header") or b""
    found = set()
    for part in listed.split(b"\0"):
        oid, _, rest = part.lstrip(b"\n").partition(b"\n")
        header = rest.partition(b"\n\n")[0]
        if b"\ngpgsig" in header:
            found.add(oid.decode("ascii", "replace").lstrip("-<>^"))
    return found


def _tags(git: str, root: Path) -> Iterator[tuple[str, str]]:
    listed = ask(
        git,
        root,
        "for-each-ref",
        "--format=%(refname)%00%(contents)%00%1e",
        "refs/tags",
        "refs/notes",
    )
    for part in (listed or b"").decode("utf-8", "replace").split(_SEPARATOR):
        name, _, message = part.strip("\n").partition("\0")
        if name:
            yield name, message.rstrip("\0")


def blob(root: Path, oid: str, limit: int = 1 << 20) -> bytes | None:
    """One blob within a bound; ``None`` where it is missing or larger."""
    git = shutil.which("git")
    if git is None or set(oid) == {"0"}:
        return None
    data = ask(git, root, "cat-file", "blob", oid)
    return data if data is not None and len(data) <= limit else None


def base_blob(root: Path, parents: tuple[str, ...], path: str) -> str:
    """The blob at ``path`` where two parents parted; zeros where there was none."""
    git = shutil.which("git")
    base = ask(git, root, "merge-base", *parents[:2]) if git is not None else None
    if git is None or base is None:
        return ""
    found = ask(git, root, "rev-parse", "--verify", "-q", f"{base.decode().strip()}:{path}")
    return found.decode().strip() if found else "0" * 40


def heads(root: Path, wanted: set[str]) -> Iterator[tuple[str, int, bytes]]:
    """Id, size and first bytes of blobs, read through one process."""
    git = shutil.which("git")
    if git is None or not wanted:
        return
    with subprocess.Popen(
        (*command(git, root), "cat-file", "--batch"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as process:
        if process.stdin is None or process.stdout is None:
            return
        for oid in sorted(wanted):
            process.stdin.write(oid.encode() + b"\n")
            process.stdin.flush()
            words = process.stdout.readline().split()
            if len(words) != 3:  # noqa: PLR2004 - id, type, size
                continue
            size = int(words[2])
            head = process.stdout.read(min(size, MAX_HEAD))
            left = size - len(head) + 1
            while left > 0 and (piece := process.stdout.read(min(left, 1 << 20))):
                left -= len(piece)
            yield oid, size, head


def head_blob(root: Path, path: str) -> bytes | None:
    """A small file as the last commit has it; ``None`` where it has none."""
    git = shutil.which("git")
    data = ask(git, root, "cat-file", "blob", f"HEAD:./{path}") if git is not None else None
    return data if data is not None and len(data) <= MAX_HEAD else None
