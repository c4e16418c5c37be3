"""Who asks, by a token of an identity provider (OpenID Connect; RFC 7519, RFC 8725).

A token is believed by these steps; each can end it, and all end alike, with 401:

1. It is within its bound, is three parts, and its header names one of the algorithms that the
   settings pin. None of those has a shared secret, so ``none`` and a public key used as a
   secret (RS256 taken for HS256) never come to a check of signatures. No critical extension
   is understood; addresses and keys inside a token are never used.
2. Its key is the one of its name in the issuer's set, and is for that algorithm.
3. The signature is right.
4. It is for this door: issuer and audience are those of the settings; it has a subject and an
   end.
5. It is valid now, give or take ``leeway_s``, and was not made for longer than
   ``max_lifetime_s``.
6. Roles come from one claim, by the table of the settings: the first line of the table that
   the token has.

Decisions are booked under a digest of issuer and subject; the token itself is kept nowhere.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from hauberk.errors import UnavailableError, UsageError
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.guard.given_files import read_given
from hauberk.guard.identity import DEFAULT_ROLE, Holder
from hauberk.guard.token_keys import FAMILIES, KeyCache, KeySet, Source, check_address

MAX_TOKEN = 8192
"""Characters of a token; those of the large providers are below 4 KiB."""

MAX_KNOWN = 10_000
"""Tokens whose signature is remembered as right."""

_SETTINGS_VERSION = 1
_MAX_SETTINGS = 64 << 10
_TYPES = frozenset({None, "JWT", "jwt", "at+jwt", "application/at+jwt"})
_NUMBERS = {"leeway_s": 60.0, "max_lifetime_s": 86_400.0, "refresh_s": 300.0, "stale_s": 86_400.0}
_TEXTS = ("issuer", "audience", "jwks", "jwks_ca", "role_claim")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """Which tokens are believed.

    Attributes:
        issuer: As it stands in tokens, exactly.
        audience: The name of this door at the issuer.
        algorithms: The only ones.
        jwks: File or address of the issuer's keys; empty for discovery at the issuer.
        jwks_ca: File of the certificates that are believed there, in place of the system's.
        leeway_s: How far clocks may be apart.
        max_lifetime_s: From ``iat`` to ``exp``; longer ones are refused.
        refresh_s: Time between two looks at the keys.
        stale_s: How long keys go on that can no longer be had.
        role_claim: Where roles stand; a dot leads into an object.
        roles: A value of that claim to a role of the policy, the first that fits.
    """

    issuer: str
    audience: str
    algorithms: frozenset[str] = frozenset({"RS256", "ES256"})
    jwks: str = ""
    jwks_ca: str = ""
    leeway_s: float = 60.0
    max_lifetime_s: float = 86_400.0
    refresh_s: float = 300.0
    stale_s: float = 86_400.0
    role_claim: str = "roles"
    roles: Mapping[str, str] = field(default_factory=dict)

    def source(self, beside: Path) -> Source:
        """Where the keys are; files are named from where the settings lie."""
        ca = str(beside / self.jwks_ca) if self.jwks_ca else None
        if self.jwks and "://" not in self.jwks:
            return Source(issuer=self.issuer, file=beside / self.jwks, ca=ca)
        check_address(self.jwks or self.issuer)
        return Source(issuer=self.issuer, url=self.jwks, ca=ca)


def settings_of(data: bytes) -> TokenSettings:
    """The settings in a file.

    Raises:
        ArtifactError: It is no JSON that means one thing.
        UsageError: A field is unknown, missing, or says what cannot be.
    """
    value = decode(data, JsonLimits(max_bytes=_MAX_SETTINGS))
    if type(value) is not dict or value.pop("schema", None) != _SETTINGS_VERSION:
        _refuse("schema", f"an object with schema {_SETTINGS_VERSION}")
    for name in sorted(value.keys() - {*_TEXTS, *_NUMBERS, "algorithms", "roles"}):
        _refuse(name, "a field of token settings", "an unknown field")
    found: dict[str, Any] = _texts(value)
    found |= {name: _number(name, value[name]) for name in _NUMBERS if name in value}
    if "algorithms" in value:
        found["algorithms"] = _algorithms(value["algorithms"])
    if "roles" in value:
        found["roles"] = _roles(value["roles"])
    return TokenSettings(**found)


def _texts(value: Mapping[str, Any]) -> dict[str, str]:
    for name in _TEXTS:
        if type(value.get(name, "")) is not str:
            _refuse(name, "a text")
    for name in ("issuer", "audience"):
        if not value.get(name):
            _refuse(name, "a text", "none")
    return {name: value[name] for name in _TEXTS if name in value}


def _number(name: str, item: Any) -> float:
    if type(item) not in (int, float) or not math.isfinite(item) or item < 0:
        _refuse(name, "a number of seconds")
    return float(item)


def _algorithms(item: Any) -> frozenset[str]:
    known = type(item) is list and item and all(type(x) is str and x in FAMILIES for x in item)
    if not known:
        _refuse("algorithms", "some of " + ", ".join(sorted(FAMILIES)))
    return frozenset(item)


def _roles(item: Any) -> dict[str, str]:
    if type(item) is not dict or any(type(role) is not str or not role for role in item.values()):
        _refuse("roles", "an object from a value of the claim to a role")
    return dict(item)


def _refuse(name: str, expected: str, found: str = "something else") -> NoReturn:
    raise UsageError(
        "the token settings cannot be used",
        subject=f"token settings, field {name}",
        rule="token settings of version 1",
        expected=expected,
        found=found,
        hint="see the serving chapter of the documentation for the fields of token settings",
    )


@dataclass(frozen=True, slots=True)
class _Known:
    holder: Holder
    not_before: float
    end: float
    keys: KeySet


class Tokens:
    """Believes tokens by steps 1 to 6; used from one event loop."""

    def __init__(
        self,
        settings: TokenSettings,
        cache: KeyCache,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.cache = cache
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def who(self, token: str) -> Holder | None:
        """Whose token it is; ``None`` for one that is not believed."""
        if len(token) > MAX_TOKEN or not token.isascii():
            return None
        mark = hashlib.sha256(token.encode("ascii")).digest()
        keys = self.cache.keys
        known = self._known.get(mark)
        if known is None or known.keys is not keys:
            self._known.pop(mark, None)
            known = self._believed(token, keys)
            if known is None:
                return None
            self._known[mark] = known
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        now, leeway_s = self._clock(), self.settings.leeway_s
        in_time = known.not_before - leeway_s <= now < known.end + leeway_s
        return known.holder if in_time else None

    def _believed(self, token: str, keys: KeySet) -> _Known | None:
        """What stands in a token whose signature is right, without its times."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            algorithm, name = header.get("alg"), header.get("kid")
            is_plain = "crit" not in header and header.get("typ") in _TYPES
            if algorithm not in self.settings.algorithms or not is_plain:  # 1
                return None
            key = keys.find(name, algorithm)  # 2
            if key is None:
                if name is not None and not keys.knows(name):
                    self.cache.want()
                return None
            claims = jwt.decode(  # 3, 4
                token,
                key.key.key,
                algorithms=[algorithm],
                audience=self.settings.audience,
                issuer=self.settings.issuer,
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
            return None
        return self._of_claims(claims, keys)

    def _of_claims(self, claims: Mapping[str, Any], keys: KeySet) -> _Known | None:
        end, begins = _at(claims["exp"]), [_at(claims.get(name, 0)) for name in ("iat", "nbf")]
        subject = claims["sub"]
        if type(subject) is not str or not subject or math.isnan(end + sum(begins)):
            return None
        made = begins[0] or begins[1] or self._clock()
        if end - made > self.settings.max_lifetime_s:  # 5
            return None
        principal = hashlib.sha256(f"{self.settings.issuer}\0{subject}".encode()).hexdigest()
        holder = Holder(f"token:{principal[:16]}", self._role(claims))
        return _Known(holder, max(begins), end, keys)

    def _role(self, claims: Mapping[str, Any]) -> str:  # 6
        value: Any = claims
        for part in self.settings.role_claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            value = value.split()
        held = set(filter(lambda x: isinstance(x, str), value)) if isinstance(value, list) else ()
        for name, role in self.settings.roles.items():
            if name in held:
                return role
        return DEFAULT_ROLE


def _at(value: Any) -> float:
    """A NumericDate; NaN for what is none."""
    if type(value) not in (int, float) or not 0 <= value < 1 << 40:
        return math.nan
    return float(value)


def open_tokens(file: Path, say: Callable[[str], object]) -> Tokens:
    """The believer of tokens that a file of settings describes, with keys at hand.

    Raises:
        UnavailableError: The keys cannot be had, or the extra is not installed.
        UsageError: The settings or the keys cannot be used.
    """
    try:
        import jwt
    except ImportError as error:
        raise UnavailableError(
            "tokens need pyjwt", hint="pip install 'hauberk[jwt]'", found="not installed"
        ) from error
    del jwt
    settings = settings_of(read_given(file, _MAX_SETTINGS, what="the settings of tokens"))
    cache = KeyCache(
        source=settings.source(file.parent),
        algorithms=settings.algorithms,
        refresh_s=max(1.0, settings.refresh_s),
        stale_s=settings.stale_s,
        say=say,
    )
    cache.load()
    cache.start()
    return Tokens(settings, cache)
