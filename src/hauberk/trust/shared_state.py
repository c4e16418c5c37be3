"""Bounded memory per principal that several hosts share: a Redis or Valkey server.

Rules:

1. One change is one atomic step. The server compares the tag of the value that the change was
   made from and takes the new value only where nobody came first; else the change is made
   again from the value that is there. A host remembers what it wrote last, so that whoever
   stays with one host costs one round trip.
2. Bounds are kept by the server in that same step: whole principals are forgotten, least
   recently used first, as in the other implementations. What is not used for `FORGET_S` is
   forgotten by the server in any case.
3. The server is not believed. Each value carries a keyed digest over principal, key and value;
   one that is not ours is a fault of the server, never a fresh start for a client.

One primary with replicas, no cluster: a step touches several names.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.trust.client_state import ENTRY_BYTES, Change, _check_fits, _cost

if TYPE_CHECKING:
    import redis

FORGET_S: Final = 7 * 86_400
MAX_TRIES: Final = 100
"""Changes that lose against others so often in a row say that something is wrong."""

_TAG = 8
_MAC = 16
_MAX_KNOWN = 10_000
_MIN_SECRET = 16

_SWAP = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
local tag = held and string.sub(held, 1, 8) or ''
if tag ~= ARGV[2] then return {0, held} end
local cost = tonumber(ARGV[4])
if held then cost = cost - (#held - 24 + tonumber(ARGV[5])) end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
local total = redis.call('HINCRBY', KEYS[3], 'total', cost)
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('ZREM', KEYS[2], KEYS[1])
  redis.call('HDEL', KEYS[3], KEYS[1])
else
  redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[3], 'clock', 1), KEYS[1])
  redis.call('HINCRBY', KEYS[3], KEYS[1], cost)
  for i = 1, 3 do redis.call('EXPIRE', KEYS[i], tonumber(ARGV[8])) end
end
local count = redis.call('ZCARD', KEYS[2])
while count > 0 and (count > tonumber(ARGV[6]) or total > tonumber(ARGV[7])) do
  local oldest = redis.call('ZPOPMIN', KEYS[2])[1]
  redis.call('DEL', oldest)
  local size = tonumber(redis.call('HGET', KEYS[3], oldest) or '0')
  redis.call('HDEL', KEYS[3], oldest)
  total = redis.call('HINCRBY', KEYS[3], 'total', -size)
  count = count - 1
end
return {1, false}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the server is.

    Attributes:
        url: ``redis://HOST:PORT/N``, ``rediss://`` for TLS, or ``unix:///path``.
        password: Never in the URL.
        ca: Certificates that are believed instead of the system's.
        timeout_s: For one round trip; a request of a client waits for it.
    """

    url: str
    password: str = ""
    ca: str | None = None
    timeout_s: float = 0.25

    def connect(self) -> redis.Redis:
        """A client; it connects when it is first used.

        Raises:
            UnavailableError: The extra is not installed.
            UsageError: It is no such address.
        """
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise UnavailableError(
                "shared state needs redis", hint="pip install 'hauberk[redis]'", found="missing"
            ) from error
        parts = urlsplit(self.url)
        if parts.scheme not in ("redis", "rediss", "unix") or parts.username or parts.password:
            raise UsageError(
                "this is no server for shared state",
                subject="--state",
                expected="redis://HOST:PORT/N, rediss://HOST:PORT/N or unix:///path",
                found=parts.scheme or "no scheme",
                hint="give a password in a file, never in the URL",
            )
        named: dict[str, Any] = {}
        if parts.scheme == "rediss" and self.ca is not None:
            named["ssl_ca_certs"] = self.ca
        return redis.Redis.from_url(
            self.url,
            password=self.password or None,
            socket_timeout=self.timeout_s,
            socket_connect_timeout=self.timeout_s,
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            **named,
        )


class RedisClientState:
    """State that hosts share through one server.

    Args:
        client: To the server.
        secret: Shared by all hosts; without it nobody can write what they believe.
        prefix: Of all names; guards of different models may share a server.
    """

    def __init__(
        self,
        client: redis.Redis,
        secret: bytes,
        *,
        prefix: str = "hauberk",
        max_principals: int = 100_000,
        max_bytes: int = 256 << 20,
    ) -> None:
        if len(secret) < _MIN_SECRET:
            raise UsageError(
                "the secret of shared state is too short",
                expected=f"at least {_MIN_SECRET} bytes",
                found=str(len(secret)),
                hint="head -c 32 /dev/urandom > FILE, the same on every host",
            )
        self._client = client
        self._secret = hashlib.blake2b(secret, digest_size=32).digest()
        self._prefix = prefix
        self._max_principals = max_principals
        self._max_bytes = max_bytes
        self._swap = client.register_script(_SWAP)
        self._known: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def update(self, principal: str, key: str, change: Change) -> bytes | None:
        """Replace the value by ``change(old)`` as one atomic step; return the new value.

        ``change`` may run several times, each time from a value that was there once.

        Raises:
            TrustError: The server holds something that no host has written.
            UnavailableError: The server cannot be asked.
            UsageError: The new value alone is larger than ``max_bytes``.
        """
        held = self._known.get((principal, key))
        if held is None:
            held = self._asked(lambda: self._client.hget(self._of(principal), key))
        for _ in range(MAX_TRIES):
            new = change(self._opened(principal, key, held))
            _check_fits(_cost(key, new), self._max_bytes)
            sealed = self._sealed(principal, key, new)
            taken, other = self._asked(lambda h=held, s=sealed: self._try(principal, key, h, s))  # type: ignore[misc]  # bound per turn
            if taken:
                self._remember(principal, key, sealed)
                return new
            held = other
        raise UnavailableError(
            "a value of the shared state changes too often",
            rule="one change at a time",
            expected=f"a turn within {MAX_TRIES} tries",
            found="none",
        )

    def get(self, principal: str, key: str) -> bytes | None:
        """The value, or ``None``; reading does not count as use.

        Raises:
            TrustError: The server holds something that no host has written.
            UnavailableError: The server cannot be asked.
        """
        held: bytes | None = self._asked(lambda: self._client.hget(self._of(principal), key))
        return self._opened(principal, key, held)

    def ping(self) -> None:
        """Ask whether the server is there.

        Raises:
            UnavailableError: It is not.
        """
        self._asked(self._client.ping)

    def __len__(self) -> int:
        """Principals remembered now."""
        return int(self._asked(lambda: self._client.zcard(f"{self._prefix}:used")))

    # One round trip ---------------------------------------------------------------------

    def _try(
        self, principal: str, key: str, held: bytes | None, sealed: bytes
    ) -> tuple[bool, bytes | None]:
        overhead = ENTRY_BYTES + len(key)
        cost = overhead + len(sealed) - _TAG - _MAC if sealed else 0
        taken, other = self._swap(
            keys=[self._of(principal), f"{self._prefix}:used", f"{self._prefix}:sizes"],
            args=[
                key,
                (held or b"")[:_TAG],
                sealed,
                cost,
                overhead,
                self._max_principals,
                self._max_bytes,
                FORGET_S,
            ],
        )
        return bool(taken), other

    def _asked(self, ask: Callable[[], Any]) -> Any:
        import redis

        try:
            return ask()
        except (redis.RedisError, OSError) as error:
            self._known.clear()
            raise UnavailableError(
                "the server of the shared state cannot be asked",
                subject=self._prefix,
                expected="an answer in time",
                found=type(error).__name__,
                hint="start it, or name another with --state",
            ) from error

    def _of(self, principal: str) -> str:
        return f"{self._prefix}:of:{principal}"

    def _remember(self, principal: str, key: str, sealed: bytes) -> None:
        self._known.pop((principal, key), None)
        if sealed:
            self._known[principal, key] = sealed
        while len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)

    # What a value carries ---------------------------------------------------------------

    def _sealed(self, principal: str, key: str, value: bytes | None) -> bytes:
        if value is None:
            return b""
        tag = secrets.token_bytes(_TAG)
        return tag + self._mac(principal, key, tag + value) + value

    def _opened(self, principal: str, key: str, held: bytes | None) -> bytes | None:
        if held is None:
            return None
        tag, mac, value = held[:_TAG], held[_TAG : _TAG + _MAC], held[_TAG + _MAC :]
        if not secrets.compare_digest(mac, self._mac(principal, key, tag + value)):
            raise TrustError(
                "the shared state holds what no host has written",
                subject=key,
                rule="a digest with the hosts' secret",
                expected="one that fits",
                found="another, or none",
                hint="give all hosts the same --state-key, and the server to nobody else",
            )
        return value

    def _mac(self, principal: str, key: str, data: bytes) -> bytes:
        name = f"{len(principal)}:{principal}{key}\0".encode()
        return hashlib.blake2b(name + data, key=self._secret, digest_size=_MAC).digest()
