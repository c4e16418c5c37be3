"""Results of steps by recipe, authenticated: a skipped step must not be a forgery.

An entry is ``HMAC-SHA256(secret, domain || recipe || payload) || payload`` in a file named
by the recipe's digest. The secret lies under the user's configuration folder, where no step
can read it, so an entry that somebody else wrote, or moved under another recipe, is
refused; the caller then runs the step again. What an entry cannot say is whether the blobs
that it names are still there.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.blobs import name_of
from hauberk.trust.durable import (
    FOLDER_MODE,
    explained,
    make_folder,
    read_small,
    write_file,
)
from hauberk.trust.store import Store

SECRET_BYTES: Final = 32
MAX_PAYLOAD_BYTES: Final = 16 << 20
"""An entry lists what a step made by name and digest; bytes themselves are blobs."""

_DOMAIN = b"hauberk step cache 1\0"
_MAC_BYTES = 32
_OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO


class Cache:
    """Results of steps in a store.

    Args:
        store: Where the entries lie.
        secret: `SECRET_BYTES` bytes that no step can read; see `load_secret`.
    """

    def __init__(self, store: Store, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise UsageError(
                "not a secret for the cache",
                expected=f"{SECRET_BYTES} bytes",
                found=f"{len(secret)} bytes",
            )
        self._store = store
        self._secret = secret

    def get(self, recipe: Digest) -> bytes | None:
        """What was put under ``recipe``; ``None`` where nothing was.

        Raises:
            TrustError: The entry was not written here for this recipe. Run the step.
        """
        path = self._path(recipe)
        with explained(path):
            try:
                entry = read_small(path, max_bytes=MAX_PAYLOAD_BYTES + _MAC_BYTES)
            except FileNotFoundError:
                return None
            except ArtifactError as error:
                raise _forged(recipe, "an entry of impossible size") from error
        mac, payload = entry[:_MAC_BYTES], entry[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(recipe, payload)):
            raise _forged(recipe, "a wrong authentication code")
        return payload

    def put(self, recipe: Digest, payload: bytes) -> None:
        """Keep ``payload`` under ``recipe``, in place of what was there.

        Raises:
            UnavailableError: It cannot be written.
            UsageError: It is too large.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise UsageError(
                "too large for the cache",
                subject=f"recipe {recipe}",
                expected=f"at most {MAX_PAYLOAD_BYTES} bytes",
                found=f"{len(payload)} bytes",
                hint="store the bytes as blobs and keep their digests",
            )
        path = self._path(recipe)
        with explained(path.parent):
            make_folder(path.parent)
        write_file(path, self._mac(recipe, payload) + payload, tmp=self._store.tmp)

    def forget(self, recipe: Digest) -> None:
        """Remove the entry under ``recipe``, whatever it is."""
        path = self._path(recipe)
        with explained(path):
            path.unlink(missing_ok=True)

    def _mac(self, recipe: Digest, payload: bytes) -> bytes:
        message = _DOMAIN + bytes.fromhex(name_of(recipe)) + payload
        return hmac.digest(self._secret, message, "sha256")

    def _path(self, recipe: Digest) -> Path:
        name = name_of(recipe)
        return self._store.root / "cache" / name[:2] / name


def load_secret(
    folder: Path, *, project: Path, owner: int | None = None, name: str = "cache.secret"
) -> bytes:
    """The user's secret in the configuration folder; made where there is none.

    Args:
        folder: The configuration folder, ``~/.config/hauberk``.
        project: The project's folder, in which the secret must not lie.
        owner: User id that must own the secret; the caller's where it is not given.
        name: Name of its file; each purpose has its own.

    Raises:
        ArtifactError: The file is no secret.
        TrustError: Somebody else owns it or can read it, or it is a link.
        UnavailableError: It cannot be read or made.
        UsageError: The folder lies inside the project.
    """
    if folder.resolve().is_relative_to(project.resolve()):
        raise UsageError(
            "secrets must lie outside the project",
            subject=str(folder),
            rule="steps can read the project; whoever has the secret can forge their results",
            hint="leave XDG_CONFIG_HOME at a folder of your own, outside every project",
        )
    path = folder / name
    with explained(path):
        if not os.path.lexists(path):
            _make_secret(folder, path)
        _check_private(path, os.geteuid() if owner is None else owner)
        secret = read_small(path, max_bytes=SECRET_BYTES)
    if len(secret) != SECRET_BYTES:
        raise _no_secret(path, f"{len(secret)} bytes")
    return secret


def _make_secret(folder: Path, path: Path) -> None:
    """Two that make one at the same time agree: the first link counts."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    aside = folder / f"{path.name}-{secrets.token_hex(8)}"
    write_file(aside, secrets.token_bytes(SECRET_BYTES), tmp=folder)
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        return
    finally:
        aside.unlink()


def _check_private(path: Path, owner: int) -> None:
    status = path.lstat()
    found = f"user {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}"
    if not stat.S_ISREG(status.st_mode):
        found = "not a regular file"
    elif status.st_uid == owner and not status.st_mode & _OTHERS_MAY:
        return
    raise TrustError(
        "the cache's secret is not private",
        subject=str(path),
        expected=f"a file of user {owner} with mode 600",
        found=found,
        hint="remove it; a new one is made and steps run again",
    )


def _no_secret(path: Path, found: str) -> ArtifactError:
    return ArtifactError(
        "not a secret for the cache",
        subject=str(path),
        expected=f"{SECRET_BYTES} bytes",
        found=found,
        hint="remove it; a new one is made and steps run again",
    )


def _forged(recipe: Digest, found: str) -> TrustError:
    return TrustError(
        "the cached result was not made here",
        subject=f"recipe {recipe}",
        rule="a cached result counts only with the code that this user's secret makes",
        expected="an entry written by this user for this recipe",
        found=found,
        hint="run the step again; its result replaces the entry",
    )
