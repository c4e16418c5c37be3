"""Credentials in a repository: see `CommittedSecrets`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats.kept_results import unless_known_empty
from hauberk.formats.notebooks import Cell, read_notebook
from hauberk.methods.allowances import allowed_lines
from hauberk.methods.secrets import Secret, find_secrets

_CODE = frozenset(
    """
    .bash .c .cc .cpp .cs .go .h .hpp .ipynb .java .jl .js .jsx .kt .lua .m .mjs .php .pl .py
    .pyi .pyx .r .rb .rs .scala .sh .sql .swift .ts .tsx .zsh
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_SHELL = frozenset({".bash", ".sh", ".zsh"})
_SETTINGS = frozenset({".cfg", ".conf", ".env", ".ini", ".json", ".toml", ".yaml", ".yml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedSecrets(Check[CodeTree]):
    """Credentials in the work tree or in what the history still holds.

    Every text of the tree, and every former version of one, is read for the forms that
    issuers give their tokens, with checksums where they have some, for passwords in
    addresses, and for values that look drawn at random and are assigned to names that say
    password, token, secret or key. Notebooks are read cell by cell, their printed outputs
    too. Placeholders, hashes, UUIDs and pictures are no secrets. A secret of the work tree
    is told at each place; one that only the history holds is told once, at its first commit.

    A line, or the one above it, may say ``allow: code/committed-secrets`` and a reason; the
    same value is then allowed in the history too.

    Limits:
        A password of plain words or below eight letters, a token without a known form that
        no telling name stands beside, values split or encoded, commit messages, and binary
        files pass unseen. A checksum that is wrong halves the confidence only, because a
        token that was cut or altered still shows where its like is kept.

    Args:
        max_per_file: Findings told of one file; the last one says that there are more.

    Example:
        >>> from pathlib import Path
        >>> text = "token = 'AKIA" + "QZ7LWX2N" * 2 + "'"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.column for finding in CommittedSecrets().check(tree)]
        [10]

    References:
        Meli, McNiece and Reaves (2019), How bad can it git? Characterizing secret leakage in
        public GitHub repositories, NDSS, sections III and IV.
    """

    title: ClassVar[str] = "Credentials in a repository"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-2"),)
    subject: ClassVar[type] = CodeTree

    max_per_file: int = 100

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield the work tree's secrets, then those of the history, then what was not read."""
        known: set[str] = set()
        for file in subject.files():
            yield from self._in_tree(file, known)
        for file in subject.history() if subject.history else ():
            yield from self._in_history(file, known)
        for path, reason in subject.unread():
            if path.suffix in _CODE | _SETTINGS:
                yield _unread(path.as_posix(), reason)

    def _in_tree(self, file: SourceFile, known: set[str]) -> Iterator[Finding]:
        told = 0
        for place in self._places(file):
            known.add(place.secret.identity)
            if place.is_allowed:
                continue
            told += 1
            if told > self.max_per_file:
                yield _more(file.name, self.max_per_file)
                return
            yield _finding(place, file.name)

    def _in_history(self, file: SourceFile, known: set[str]) -> Iterator[Finding]:
        for place in self._places(file):
            if place.secret.identity not in known and not place.is_allowed:
                yield _finding(place, file.name, former=True)
            known.add(place.secret.identity)

    def _places(self, file: SourceFile) -> Sequence[_Place]:
        return unless_known_empty(self.id, file, lambda: list(_places(file, self.id)))


# Reading -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One secret where it stands."""

    secret: Secret
    line: int
    column: int
    inner: tuple[str, ...] = ()
    is_allowed: bool = False


@dataclass(slots=True)
class _Lines:
    """Positions of growing offsets as lines and columns, counted once over the text."""

    text: str
    line: int = field(default=1)
    start: int = field(default=0)
    seen: int = field(default=0)

    def of(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1; offsets may not shrink."""
        self.line += self.text.count("\n", self.seen, offset)
        last = self.text.rfind("\n", self.seen, offset)
        self.start = last + 1 if last >= 0 else self.start
        self.seen = offset
        return self.line, offset - self.start + 1


def _places(file: SourceFile, control: str) -> Iterator[_Place]:
    if file.path.suffix == ".ipynb":
        try:
            cells = read_notebook(file.text, name=file.name)
        except ArtifactError:
            pass  # No notebook after all: its text is read as it stands.
        else:
            yield from _in_notebook(file.text, cells, control)
            return
    yield from _in_text(file.text, control, settings=_holds_settings(file.path))


def _in_text(text: str, control: str, *, settings: bool) -> Iterator[_Place]:
    allowed, lines = allowed_lines(text, control), _Lines(text)
    for secret in find_secrets(text, settings=settings):
        line, column = lines.of(secret.start)
        yield _Place(secret=secret, line=line, column=column, is_allowed=line in allowed)


def _in_notebook(raw: str, cells: tuple[Cell, ...], control: str) -> Iterator[_Place]:
    """Secrets of the cells, each at its line in the file, where the file shows it whole."""
    for cell in cells:
        texts = [("source", cell.source, not cell.is_code)]
        texts += [(f"output {n}", text, True) for n, text in enumerate(cell.outputs, start=1)]
        told: set[str] = set()  # An error repeats its message in its traceback.
        for part, text, settings in texts:
            for place in _in_text(text, control, settings=settings):
                if part == "source" or place.secret.identity not in told:
                    yield _in_raw(place, raw, text, (f"cell {cell.number}", part))
                told.add(place.secret.identity)


def _in_raw(place: _Place, raw: str, text: str, inner: tuple[str, ...]) -> _Place:
    value = text[place.secret.start : place.secret.end]
    line, column = _Lines(raw).of(max(raw.find(json.dumps(value)[1:-1]), 0))
    return _Place(
        secret=place.secret, line=line, column=column, inner=inner, is_allowed=place.is_allowed
    )


def _holds_settings(path: PurePath) -> bool:
    """Whether values stand without quotes: everything but programs, and shell scripts."""
    return path.suffix in _SHELL or path.suffix not in _CODE


# Telling -------------------------------------------------------------------------------


def _finding(place: _Place, path: str, *, former: bool = False) -> Finding:
    secret = place.secret
    where = f"line {place.line}, column {place.column}"
    inner = f" ({', '.join(place.inner)})" if place.inner else ""
    held = "the history still holds it" if former else "anyone who reads the tree has it"
    facts = {"provider": secret.provider} | ({"digest": secret.label} if secret.label else {})
    return Finding(
        message=f"{path}, {where}{inner}: {_named(secret)}; {held}",
        path=path,
        severity=secret.severity,
        confidence=secret.confidence,
        remedy=(
            "Rotate it at its issuer now: removing it from the file or the history does not "
            "take it back. Then keep it outside of the repository."
        ),
        location=Location(line=place.line, column=place.column, inner=place.inner),
        evidence=Evidence(statistic="form and content of a credential", facts=facts),
    )


def _named(secret: Secret) -> str:
    return f"credential ({secret.provider})"


def _more(path: str, told: int) -> Finding:
    return Finding(
        message=f"{path}: more than {told} credentials; the rest is not listed",
        path=path,
        severity=Severity.HIGH,
        remedy="Find out what this file is, and rotate what it holds.",
    )


def _unread(path: str, reason: str) -> Finding:
    return Finding(
        message=f"{path} was not searched for credentials: {reason}",
        path=path,
        severity=Severity.LOW,
        level=Level.REVIEW,
        remedy="Split it, or look through it by hand.",
        evidence=Evidence(statistic="not checked", facts={"reason": reason}),
    )
