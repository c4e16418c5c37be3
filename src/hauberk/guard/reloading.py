"""The policy and the keys of a running guard, read again when their files change.

A file is read when its bytes are others than before, or when somebody asks (SIGHUP). What
cannot be used changes nothing: the old policy and the old keys go on, it is said aloud, and
counted in ``hauberk_reload_failed_total``. What is taken is written to the log with its digest
and revision. Requests that are running end under the policy that they began with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hauberk.errors import HauberkError, InternalError, UsageError
from hauberk.guard import policy as policies
from hauberk.guard.app import Served
from hauberk.guard.given_files import UnreadableFileError, read_given
from hauberk.guard.identity import Register, Ways, register_of
from hauberk.trust.digest import digest_bytes

if TYPE_CHECKING:
    import ssl

    from hauberk.core.artifact import Digest
    from hauberk.guard.app import App
    from hauberk.guard.identity import Identity, Keyring
    from hauberk.guard.transport import DoorFiles

EVERY_S = 1.0
_MAX_BYTES = 16 << 20
"""A hundred thousand keys stay below it."""

Say = Callable[[str], object]


class AnyService(Served, Protocol):
    """A service that another takes over from."""

    @property
    def policy(self) -> Any:
        """The policy that people edit."""
        ...

    @property
    def under(self) -> Callable[..., Any]:
        """Makes the one that takes over."""
        ...


class Watched:
    """A file whose changes matter.

    Args:
        path: The file.
        take: Is given the new bytes; raises where they cannot be used.
        what: What it is, for people.
    """

    def __init__(self, path: Path, take: Callable[[bytes], str], *, what: str) -> None:
        self._path = path
        self._take = take
        self._what = what
        self._seen: Digest | None = None

    def prime(self, data: bytes) -> None:
        """Know the bytes that are in use already."""
        self._seen = digest_bytes(data)

    def look(self, say: Say, *, force: bool = False) -> bool | None:
        """Read the file; whether it was taken, or ``None`` where nothing changed."""
        try:
            data = read_given(self._path, _MAX_BYTES, what="it")
            digest = digest_bytes(data)
            if digest == self._seen and not force:
                return None
            self._seen = digest
            said = self._take(data)
        except InternalError:
            raise
        except (HauberkError, UnicodeDecodeError) as error:
            return self._refused(say, error)
        say(f"{self._what} taken from {self._path}{said}")
        return True

    def _refused(self, say: Say, error: HauberkError | UnicodeDecodeError) -> bool | None:
        text = error.message if isinstance(error, HauberkError) else "it is not UTF-8"
        mark = digest_bytes(text.encode())
        if isinstance(error, UnreadableFileError) and self._seen == mark:
            return None
        if isinstance(error, UnreadableFileError):
            self._seen = mark
        say(f"ALARM: the {self._what} in {self._path} cannot be used: {text}")
        for name, value in error.details() if isinstance(error, HauberkError) else ():
            say(f"  {name}: {value}")
        say(f"  the old {self._what} goes on")
        return False


class Reloader:
    """Looks after the files of one application.

    Args:
        app: Serves ``service``.
        say: Takes lines for people.
        read_policy: Of the bytes of a policy file.
    """

    def __init__(
        self,
        app: App,
        service: AnyService,
        *,
        say: Say,
        read_policy: Callable[[bytes], Any] = policies.from_bytes,
    ) -> None:
        self._app = app
        self._service = service
        self._say = say
        self._policy_of = read_policy
        self._files: list[Watched] = []
        self._asked = threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()

    @property
    def service(self) -> AnyService:
        """What serves now."""
        return self._service

    def watch_policy(self, path: Path) -> None:
        """Look after the policy in a file."""

        def is_used(data: bytes) -> bool:
            return bool(self._policy_of(data) == self._service.policy)

        self._watch(path, self._take_policy, is_used, what="policy")

    def watch_keys(self, path: Path, read: Callable[[str], Keyring]) -> None:
        """Look after the keys in a file."""

        def is_used(data: bytes) -> bool:
            return read(data.decode("utf-8")) == self._keys

        def take(data: bytes) -> str:
            keyring = read(data.decode("utf-8"))
            if not keyring:
                raise UsageError(
                    "a guard with keys does not go on without any",
                    expected="at least one key",
                    found="none",
                    hint="end the guard to close its door",
                )
            self._know(keyring)
            return f", {len(keyring.names)} keys"

        self._watch(path, take, is_used, what="key file")

    @property
    def _keys(self) -> Identity:
        identity = self._service.desk.world.keyring
        return identity.keys if isinstance(identity, Ways) else identity

    def _know(self, found: Keyring | Register) -> None:
        """Let others in from the next request on; the other ways of being known stay."""
        world = self._service.desk.world
        identity: Identity
        if isinstance(found, Register):
            ways = world.keyring
            identity = replace(ways if isinstance(ways, Ways) else Ways(), register=found)
        elif isinstance(world.keyring, Ways):
            identity = replace(world.keyring, keys=found)
        else:
            identity = found
        self.replace(world=replace(world, keyring=identity))

    def watch_clients(self, path: Path) -> None:
        """Look after the list of certificates in a file."""

        def is_used(data: bytes) -> bool:
            identity = self._service.desk.world.keyring
            return isinstance(identity, Ways) and identity.register == register_of(data.decode())

        def take(data: bytes) -> str:
            register = register_of(data.decode("utf-8"))
            self._know(register)
            return f", {len(register.names)} certificates"

        self._watch(path, take, is_used, what="list of certificates")

    def watch_certificate(self, files: DoorFiles, context: ssl.SSLContext) -> None:
        """Look after the certificate that the door shows, and its key."""

        def take(data: bytes) -> str:
            del data
            files.load(context)
            return ""

        for path in {files.cert, files.key or files.cert}:
            self._watch(path, take, lambda _: True, what="certificate of the door")

    def _watch(
        self,
        path: Path,
        take: Callable[[bytes], str],
        is_used: Callable[[bytes], bool],
        *,
        what: str,
    ) -> None:
        watched = Watched(path, take, what=what)
        try:
            data = read_given(path, _MAX_BYTES, what=what)
            if is_used(data):  # it may have changed since it was read for the start
                watched.prime(data)
        except (HauberkError, UnicodeDecodeError):
            pass  # said at the first look
        self._files.append(watched)

    def _take_policy(self, data: bytes) -> str:
        policy = self._policy_of(data)
        self.replace(policy=policy)
        return f", revision {policy.revision}"

    def replace(self, **changes: object) -> None:
        """Let a changed service take over; see `Service.under`."""
        with self._lock:
            self._service = self._service.under(**changes)
            self._app.swap(self._service)
            self._service.desk.announce()

    def ask(self) -> None:
        """Read all files again soon, changed or not; safe in a signal handler."""
        self._asked.set()

    def look(self, *, force: bool = False) -> None:
        """Read the files that changed."""
        for watched in self._files:
            if watched.look(self._say, force=force) is False:
                self._service.desk.metrics.reload_failed += 1

    def start(self, every_s: float = EVERY_S) -> None:
        """Look from now on, in a thread that ends with the process."""
        run = threading.Thread(target=self._run, args=(every_s,), name="reload", daemon=True)
        run.start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self._asked.set()

    def _run(self, every_s: float) -> None:
        while not self._over.is_set():
            force = self._asked.wait(every_s)
            self._asked.clear()
            if not self._over.is_set():
                self.look(force=force)
