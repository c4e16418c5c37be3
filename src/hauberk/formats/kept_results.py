"""Results of reading files, kept from one scan to the next in the user's cache folder.

A result is kept under what it depends on: the content of the file, its path, the rule, and the
rules' own files. All results of one scanned place are one file, authenticated with a secret of
this user that lies elsewhere, and nothing of a file is parsed before its code is checked. So
what is damaged, shortened, somebody else's or from other rules is as good as not there: it
costs time and never decides anything. Where the folders cannot be used, nothing is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from hauberk.core.artifact import SourceFile

MAX_ENTRIES = 400_000
"""Results kept of one place; beyond that new ones are not kept."""

MAX_BYTES = 64 << 20
"""Size of one file of results."""

MAX_TOTAL_BYTES = 256 << 20
"""Size of all files of results; the oldest go first."""

_CODE_LENGTH = 64
_SECRET_BYTES = 32
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_RULES = ("core", "engine", "sketches", "formats", "methods", "controls", "scanner")
_ENDING = ".results"

Found = TypeVar("Found")


class KeptResults:
    """Results of one place; read at the first question and written when the scan is over."""

    def __init__(self, file: Path, secret: bytes) -> None:
        self._file = file
        self._secret = secret
        self._entries: dict[str, Any] = {}
        self._used: set[str] = set()
        self._rules = b""
        self._is_changed = False

    def key(self, rule: str, file: SourceFile) -> str | None:
        """Under what a result is kept; ``None`` where the content has no digest."""
        if file.digest is None:
            return None
        return self.key_of(rule, file.name, file.path.as_posix(), str(file.digest))

    def key_of(self, *words: str) -> str:
        """Under what a result is kept that depends on these words and the rules."""
        if not self._rules:
            self._rules = _version_of_rules().encode()
            self._entries = self._read()
        told = json.dumps(words)
        code = hashlib.blake2b(self._rules + told.encode(), key=self._secret, digest_size=24)
        return code.hexdigest()

    def get(self, key: str) -> Any:
        """What is kept there; ``None`` where nothing is."""
        found = self._entries.get(key)
        if found is not None:
            self._used.add(key)
        return found

    def put(self, key: str, value: Any) -> None:
        """Keep a value of JSON, never ``None``."""
        if len(self._used) < MAX_ENTRIES:
            self._entries[key] = value
            self._used.add(key)
            self._is_changed = True

    def close(self) -> None:
        """Write what is new, results of this scan first; a disk that refuses is no failure."""
        if not self._is_changed:
            return
        kept = {key: self._entries[key] for key in self._entries if key in self._used}
        for key, value in self._entries.items():
            if len(kept) >= MAX_ENTRIES:
                break
            kept.setdefault(key, value)
        body = json.dumps(kept, separators=(",", ":")).encode()
        if len(body) + _CODE_LENGTH > MAX_BYTES:
            return
        partial = self._file.with_name(f".{self._file.name}.{secrets.token_hex(8)}")
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(self._code(body) + body)
            partial.replace(self._file)
            _make_room(self._file.parent)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        data = _own_bytes(self._file, MAX_BYTES)
        if data is None:
            return {}
        code, body = data[:_CODE_LENGTH], data[_CODE_LENGTH:]
        if not hmac.compare_digest(code, self._code(body)):
            return {}
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _code(self, body: bytes) -> bytes:
        """Authenticates the results together with the place that they are of."""
        told = self._file.name.encode() + b"\0" + body
        return hmac.new(self._secret, told, hashlib.sha256).hexdigest().encode()


_current: ContextVar[KeptResults | None] = ContextVar("kept_results", default=None)


def kept_results() -> KeptResults | None:
    """The results of the scan that runs; ``None`` where nothing is kept."""
    return _current.get()


def unless_known_empty(
    rule: str, file: SourceFile, work: Callable[[], Sequence[Found]]
) -> Sequence[Found]:
    """What ``work`` finds in a file; that it finds nothing is kept, what it finds is not."""
    kept = kept_results()
    key = kept.key(rule, file) if kept is not None else None
    if kept is None or key is None:
        return work()
    if kept.get(key) == 0:
        return ()
    found = work()
    if not found:
        kept.put(key, 0)
    return found


@contextmanager
def keeping(places: Sequence[Path]) -> Iterator[None]:
    """Keep results while ``places`` are scanned, where there is a folder for it."""
    kept = _opened(places)
    token = _current.set(kept)
    try:
        yield
    finally:
        _current.reset(token)
    if kept is not None:
        kept.close()


def _opened(places: Sequence[Path]) -> KeptResults | None:
    named = sorted(os.path.abspath(place) for place in places)  # noqa: PTH100 - follows no link
    name = hashlib.sha256("\0".join(named).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    try:
        secret = _secret(_folder("XDG_STATE_HOME", ".local/state") / "results.key")
        folder = _folder("XDG_CACHE_HOME", ".cache")
    except (OSError, RuntimeError):
        return None
    if secret is None or not os.access(folder, os.W_OK):
        return None
    return KeptResults(folder / f"{name}{_ENDING}", secret)


def _folder(variable: str, default: str) -> Path:
    """Our folder for this user; made where it is not there.

    Raises:
        OSError: It cannot be made, is not this user's, or others can write to it.
    """
    told = os.environ.get(variable, "")
    base = Path(told) if Path(told).is_absolute() else Path.home() / default
    folder = base / "hauberk"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    is_own = stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()
    if not is_own or state.st_mode & _OTHERS_WRITE:
        raise PermissionError(str(folder))
    return folder


def _secret(file: Path) -> bytes | None:
    """The secret of this user; made once, and refused where others could have read it."""
    with suppress(FileExistsError):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as new:
            new.write(secrets.token_bytes(_SECRET_BYTES))
    found = _own_bytes(file, _SECRET_BYTES, secret=True)
    return found if found is not None and len(found) == _SECRET_BYTES else None


def _own_bytes(file: Path, limit: int, *, secret: bool = False) -> bytes | None:
    """A regular file of this user within bounds; ``None`` for anything else."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as opened:
        state = os.fstat(opened.fileno())
        refused = 0o077 if secret else _OTHERS_WRITE
        is_own = stat.S_ISREG(state.st_mode) and state.st_uid == os.geteuid()
        if not is_own or state.st_mode & refused or state.st_size > limit:
            return None
        return opened.read(limit)


def _make_room(folder: Path) -> None:
    """Take away the oldest results until all together are within bounds."""
    files = [entry for entry in os.scandir(folder) if entry.name.endswith(_ENDING)]
    states = sorted((entry.stat(follow_symlinks=False).st_mtime, entry.path) for entry in files)
    total = sum(entry.stat(follow_symlinks=False).st_size for entry in files)
    for _, path in states[:-1]:
        if total <= MAX_TOTAL_BYTES:
            return
        total -= Path(path).lstat().st_size
        Path(path).unlink(missing_ok=True)


def _version_of_rules() -> str:
    """Changes with every file that a result depends on, also where rules are being written."""
    root = Path(__file__).parents[1]
    told = [sys.version]
    for room in _RULES:
        for folder, folders, names in os.walk(root / room):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(names):
                state = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - hundreds of files
                told.append(f"{folder}/{name} {state.st_size} {state.st_mtime_ns}")
    return hashlib.sha256("\n".join(told).encode("utf-8", "surrogateescape")).hexdigest()
