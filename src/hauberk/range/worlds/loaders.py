"""Victims that open model files the way people do, each in a worker of its own.

The worker runs whatever the file holds. It is started isolated, may write only into the
folder of the file, and is dead when `opens` returns.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hauberk.errors import HauberkError, UnavailableError
from hauberk.isolation import Grants, Limits, spawn

_SYSTEM_FOLDERS = ("/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null")
_CHILDREN_S = 60.0
_LIMITS = Limits(wall_s=180.0, cpu_s=60.0, memory_bytes=4 << 30, processes=16)


def opens(path: Path, loader: str) -> str:
    """Open a model file as a victim would and say how that ended.

    Whether the load succeeds says nothing of whether a payload ran: look for its canary.

    Args:
        loader: ``pickle``, ``joblib``, ``numpy``, ``gzip``, ``zip``, ``members``, ``tar``,
            ``torch`` or ``stacked``.
    """
    here = tuple(Path(folder) for folder in _SYSTEM_FOLDERS if os.path.lexists(folder))
    grants = Grants(read=here, write=(path.parent,))
    payload = json.dumps({"path": str(path), "loader": loader}).encode()
    try:
        return _spawned(payload, grants)
    except UnavailableError:  # a busy machine may end a worker before it has begun
        try:
            return _spawned(payload, grants)
        except HauberkError as error:
            return str(error)
    except HauberkError as error:
        return str(error)


def _spawned(payload: bytes, grants: Grants) -> str:
    return spawn(f"{__name__}:load", payload, grants=grants, limits=_LIMITS).decode()


def load(payload: bytes) -> bytes:
    """The worker's side: open one file and forget the result."""
    asked = json.loads(payload)
    try:
        _LOADERS[asked["loader"]](asked["path"])
    except Exception as error:  # noqa: BLE001 - whatever a hostile file raises is its result
        return f"{type(error).__name__}: {error}".encode()
    finally:
        _await_children()
    return b"loaded"


def _await_children() -> None:
    """Let what a payload started come to its end, as it would where nothing ends it at once."""
    until = time.monotonic() + _CHILDREN_S
    while time.monotonic() < until:
        try:
            child, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not child:
            time.sleep(0.01)


def _unpickle(data: bytes) -> Any:
    return _Unpickler(io.BytesIO(data)).load()


class _Unpickler(pickle.Unpickler):
    """What torch's readers do with tensors that lie beside the pickle."""

    def persistent_load(self, pid: Any) -> Any:
        return pid


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def _plain(path: str) -> Any:
    with Path(path).open("rb") as file:
        return pickle.load(file)  # noqa: S301, TID251 - the victim's mistake, in its worker


def _joblib(path: str) -> Any:
    import joblib

    return joblib.load(path)  # noqa: TID251 - the victim's mistake, in its worker


def _numpy(path: str) -> Any:
    import numpy as np

    loaded = np.load(path, allow_pickle=True)
    return [loaded[name] for name in loaded.files] if hasattr(loaded, "files") else loaded


def _zipped(path: str) -> Any:
    return _from_zip(_read(path))


def _from_zip(data: bytes) -> list[Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [archive.read(name) for name in archive.namelist()]
    return [
        _from_zip(member) if member.startswith(b"PK") else _unpickle(member)
        for member in members
        if member.startswith((b"PK", b"\x80"))
    ]


def _members(path: str) -> list[Any]:
    """Every member for itself, as readers of scripts do that know some classes and not others."""
    loaded = []
    with zipfile.ZipFile(io.BytesIO(_read(path))) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if data.startswith((b"PK", b"\x80")):
                with contextlib.suppress(Exception):
                    loaded.append(_from_zip(data) if data.startswith(b"PK") else _unpickle(data))
    return loaded


def _tarred(path: str) -> Any:
    with tarfile.open(path) as archive:
        files = [archive.extractfile(member) for member in archive]
        return [_unpickle(file.read()) for file in files if file is not None]


def _torch(path: str) -> Any:
    """The pickle of a torch archive, by its directory and without checking checksums."""
    data = _read(path)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = next(info for info in archive.infolist() if info.filename.endswith("data.pkl"))
    start = info.header_offset + 30 + len(info.filename.encode())
    return _unpickle(data[start : start + info.compress_size])


def _stacked(path: str) -> list[Any]:
    """All pickles of a file, as torch reads its files of before 1.6."""
    file = io.BytesIO(_read(path))
    loaded = []
    while file.tell() < len(file.getbuffer()):
        loaded.append(_Unpickler(file).load())
    return loaded


_LOADERS: dict[str, Callable[[str], Any]] = {
    "pickle": _plain,
    "joblib": _joblib,
    "numpy": _numpy,
    "gzip": lambda path: _unpickle(gzip.decompress(_read(path))),
    "zip": _zipped,
    "members": _members,
    "tar": _tarred,
    "torch": _torch,
    "stacked": _stacked,
}
