"""The public keys of an issuer of tokens: read from a file or fetched, kept, and changed.

A set of keys (RFC 7517) is public and asymmetric: a symmetric key or a private part in it means
that somebody published what must be secret, and refuses the whole set. It is looked at again
every `refresh_s`, and early when a token names a key that is not in it, though never more
often than every `early_s`, so that made-up names cannot be used to flood the issuer. While it
cannot be had, the old set goes on for `stale_s` and it is said aloud; after that no token is
believed.

Fetching happens in a thread; a request never waits for it. Addresses are https, or http on
loopback; redirects are not followed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from hauberk.errors import HauberkError, UnavailableError, UsageError
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.guard.given_files import UnreadableFileError, read_given

if TYPE_CHECKING:
    from jwt import PyJWK

MAX_BYTES = 256 << 10
MAX_KEYS = 100
MIN_RSA_BITS = 2048
FETCH_S = 5.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DISCOVERY = "/.well-known/openid-configuration"
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

FAMILIES: Mapping[str, str] = MappingProxyType(
    {name + size: "RSA" for name in ("RS", "PS") for size in ("256", "384", "512")}
    | {"ES" + size: "EC" for size in ("256", "384", "512")}
    | {"EdDSA": "OKP"}
)
"""Algorithms that may be pinned, and the kind of key of each. None has a shared secret: with
one, whoever can check a token could make one."""

_CURVES = MappingProxyType({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A key with the one family of algorithms that it is for.

    Attributes:
        algorithms: Of those that are pinned, the ones that this key may have signed with.
    """

    name: str
    algorithms: frozenset[str]
    key: PyJWK


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys as they stood at one time.

    Attributes:
        fetched: ``time.monotonic`` when they were had.
    """

    keys: tuple[TokenKey, ...] = ()
    fetched: float = 0.0

    def find(self, name: str | None, algorithm: str) -> TokenKey | None:
        """The one key that such a token can be signed with; ``None`` where there is not one."""
        fitting = [
            key
            for key in self.keys
            if algorithm in key.algorithms and (name is None or key.name == name)
        ]
        return fitting[0] if len(fitting) == 1 else None

    def knows(self, name: str) -> bool:
        """Whether there is a key of this name."""
        return any(key.name == name for key in self.keys)


def key_set_of(data: bytes, algorithms: frozenset[str]) -> tuple[TokenKey, ...]:
    """The keys in a set that are for signatures by one of the pinned algorithms.

    Raises:
        UsageError: It is no set, holds secrets, or holds no such key.
    """
    import jwt

    value = decode(data, JsonLimits(max_bytes=MAX_BYTES))
    held = value.get("keys") if type(value) is dict else None
    if type(held) is not list or len(held) > MAX_KEYS or any(type(x) is not dict for x in held):
        _refuse("a set of keys", f"an object with at most {MAX_KEYS} keys", "something else")
    found = []
    for number, item in enumerate(held):
        if _PRIVATE & item.keys():
            _refuse("public keys only", "none with a private part", f"key {number} has one")
        fitting = _algorithms_of(item, algorithms)
        if not fitting:
            continue
        try:
            key = jwt.PyJWK(item, algorithm=min(fitting))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            _refuse("keys that can be read", "a key of its kind", type(error).__name__)
        if item["kty"] == "RSA" and key.key.key_size < MIN_RSA_BITS:
            bits = str(key.key.key_size)
            _refuse("keys of some strength", f"{MIN_RSA_BITS} bits", f"key {number} has {bits}")
        name = item.get("kid")
        found.append(TokenKey(name=name if type(name) is str else "", algorithms=fitting, key=key))
    names = [key.name for key in found if key.name]
    if not found or len(set(names)) != len(names):
        _refuse("keys for the pinned algorithms", "some, none named twice", f"{len(found)}")
    return tuple(found)


def _algorithms_of(item: Mapping[str, Any], pinned: frozenset[str]) -> frozenset[str]:
    if item.get("use", "sig") != "sig" or "verify" not in item.get("key_ops", ["verify"]):
        return frozenset()
    declared = item.get("alg")
    return frozenset(
        name
        for name in pinned
        if FAMILIES[name] == item.get("kty")
        and declared in (None, name)
        and _CURVES.get(name, item.get("crv")) == item.get("crv")
    )


def _refuse(rule: str, expected: str, found: str) -> NoReturn:
    raise UsageError(
        "the keys of the issuer cannot be used",
        subject="JWKS",
        rule=rule,
        expected=expected,
        found=found,
        hint="look at what the issuer publishes; the old keys go on meanwhile",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the keys are.

    Attributes:
        issuer: Asked by discovery where there is neither a file nor an address.
        ca: Certificates that are believed instead of the system's.
    """

    issuer: str
    file: Path | None = None
    url: str = ""
    ca: str | None = None

    def read(self) -> bytes:
        """The set of keys as it stands now.

        Raises:
            UnavailableError: It cannot be had.
            UsageError: The issuer says that it is another one.
        """
        if self.file is not None:
            try:
                return read_given(self.file, MAX_BYTES, what="the keys of the issuer")
            except UnreadableFileError as error:
                raise UnavailableError(
                    error.message, subject=error.subject, found=error.found, hint=error.hint
                ) from error
        return fetched(self.url or self._discovered(), self.ca)

    def _discovered(self) -> str:
        data = fetched(self.issuer.rstrip("/") + _DISCOVERY, self.ca)
        value = decode(data, JsonLimits(max_bytes=MAX_BYTES))
        if type(value) is not dict or value.get("issuer") != self.issuer:
            _refuse("the issuer speaks for itself", self.issuer, "another issuer, or none")
        place = value.get("jwks_uri")
        return place if type(place) is str else ""


def fetched(url: str, ca: str | None = None) -> bytes:
    """What stands at an address, within bounds of size and time.

    Raises:
        UnavailableError: Nothing was had.
        UsageError: The address is none that may be asked.
    """
    import ssl
    import urllib.error
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        """An issuer's keys stand where the configuration says."""

        def redirect_request(self, *args: object, **named: object) -> None:
            """Follow nothing."""

    check_address(url)
    context = ssl.create_default_context(cafile=ca)
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        NoRedirect(),
    ):
        opener.add_handler(handler)
    try:
        with opener.open(url, timeout=FETCH_S) as answer:
            return _bounded(answer.read, time.monotonic() + FETCH_S)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise _unavailable(url, type(error).__name__) from error


def _bounded(read: Callable[[int], bytes], until: float) -> bytes:
    data = b""
    while piece := read(16 << 10):
        data += piece
        if len(data) > MAX_BYTES or time.monotonic() > until:
            raise ValueError("too large or too slow")
    return data


def check_address(url: str) -> None:
    """Refuse an address that somebody on the way could answer for.

    Raises:
        UsageError: It is neither https nor loopback.
    """
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname or parts.username:
        _refuse("an address that is asked over TLS", "https://...", parts.scheme or "none")


def _unavailable(url: str, found: str) -> UnavailableError:
    return UnavailableError(
        "the issuer's keys cannot be fetched",
        subject=url[:200],
        expected=f"an answer within {FETCH_S:.0f} seconds and {MAX_BYTES} bytes",
        found=found,
        hint="check the address, or give the keys as a file",
    )


@dataclass(slots=True, kw_only=True)
class KeyCache:
    """The keys that are believed now; looked at again in a thread.

    Attributes:
        refresh_s: Time between two looks.
        early_s: Least time between two looks that unknown names ask for.
        stale_s: How long keys go on that can no longer be had.
        say: Takes lines for people.
        failures: Looks that brought nothing.
    """

    source: Source
    algorithms: frozenset[str]
    refresh_s: float = 300.0
    early_s: float = 10.0
    stale_s: float = 86_400.0
    say: Callable[[str], object] = print
    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    _set: KeySet = field(default_factory=KeySet)
    _seen: bytes = b""
    _wanted: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def keys(self) -> KeySet:
        """What is believed now: nothing once it is too old."""
        if self.clock() - self._set.fetched > self.stale_s:
            return KeySet()
        return self._set

    def want(self) -> None:
        """Ask for an early look: a token names a key that is not known."""
        self._wanted.set()

    def look(self) -> bool:
        """Look now; whether the keys could be had. What cannot be used changes nothing."""
        try:
            self.load()
        except HauberkError as error:
            self.failures += 1
            self.say(f"ALARM: {error.message}; the old keys go on")
            for name, value in error.details():
                self.say(f"  {name}: {value}")
            return False
        return True

    def load(self) -> None:
        """Have the keys.

        Raises:
            ArtifactError: They mean several things, or nothing.
            UnavailableError: They cannot be had.
            UsageError: They cannot be used.
        """
        data = self.source.read()
        if data == self._seen:
            self._set = KeySet(self._set.keys, self.clock())
            return
        keys = key_set_of(data, self.algorithms)
        if self._seen:
            names = ", ".join(json.dumps(key.name) for key in keys)
            self.say(f"the issuer's keys changed: {names}")
        self._set, self._seen = KeySet(keys, self.clock()), data

    def start(self) -> None:
        """Look from now on, in a thread that ends with the process."""
        threading.Thread(target=self._run, name="token-keys", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self._wanted.set()

    def _run(self) -> None:
        while not self._over.wait(self.early_s):
            self._wanted.wait(max(0.0, self.refresh_s - self.early_s))
            self._wanted.clear()
            if not self._over.is_set():
                self.look()
