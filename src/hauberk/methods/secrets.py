"""Finding credentials in text, and hiding them.

Four readings of a text: the providers' own forms (`secret_patterns`), values assigned to
names that say password, token, secret or key and that look drawn or chosen
(`secret_values`), values where calls, command lines and tables hold a password
(`secret_places`), and the first three over what base64 holds. A secret never leaves this
module in the clear: what is given is where it lies, whose it is, and the beginning of its
digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from hauberk.core.finding import Severity
from hauberk.methods.expressions import expression
from hauberk.methods.secret_patterns import PATTERNS, Pattern
from hauberk.methods.secret_places import encoded, is_named_secret, put_together, spans_with, stood
from hauberk.methods.secret_values import could_be_password, could_be_token, is_hex

DIGEST_LETTERS = 12
MAX_SECRETS = 1000
"""Of one form in one text: more say nothing new, and comparing spans is quadratic in them."""

MAX_HAND_WRITTEN = 4000
"""Letters of one line; in longer ones only the issuers' own forms count."""

_NAMES = expression(
    r"pass|pwd|pw\b|secret|token|api[_-]?key|access[_-]?key|fernet|credential|masterauth|"
    r"(?:auth|account|private|signing|encryption|master)[_-]?key"
)

_ASSIGNED = expression(
    r"(?:(?i:(?P<word>passw(?:or)?d|passwd|pwd|passphrase|passcode|requirepass|masterauth|secret|token|"
    r"api[_-]?key|access[_-]?key|(?:auth|account|private|signing|encryption|master|fernet)[_-]?key|"
    r"fernet|credential))(?P<rest>[\w.\-]{0,24})|"
    r"(?<![A-Za-z])(?i:(?P<short>pass|pw))(?=[\"'\])]{0,3}[ \t]{0,4}[:=]|[\"'][ \t]?,)|"
    r"(?<=[a-z])(?P<hump>Pass|Pw)(?=[\"'\])]{0,3}[ \t]{0,4}[:=]))"
    r"[\"'\])]{0,3}[ \t]{0,4}"
    r"(?:(?::[ \t]{0,2}(?:str|bytes|Final)[ \t]{0,2})?=|=>|:=|[:=,]|[ \t]is\b|(?<=\w)[ \t])"
    r"[ \t]{0,4}(?:default[ \t]{0,2}=[ \t]{0,2})?"
    r"(?:b?[\"'`](?P<quoted>[^\"'`\s\\]{6,512})[\"'`]|(?P<bare>[^\s\"'`,;(){}\[\]<>]{8,512}))"
)
_PASSWORD = expression(r"(?i)pass|pwd|pw$|masterauth")
_NAMES_NOT = expression(
    r"(?i)hash|digest|sha\d|md5|checksum|commit|revision|etag|fingerprint|public|"
    r"(?:name|file|path|dir|directory|folder|repo|url|uri|env|type|field|header|regex|pattern|policy|length|len|ttl|count|"
    r"size|id|ids|index|expiry|expires|version|class|prefix|suffix|format|arn|ref|izer|ized|s)$"
)
_OTHER_WORD = expression(
    r"(?i)(?:i[sz](?:e|er|ers|ed|es|ing|ation)|ar(?:y|ies|ial|iat)|ly|ions?|ive|less)(?![a-z])"
)
"""What makes another word of a name: a ``tokenizer`` and a ``secretary`` are no secrets."""
_COMMENT = expression(r"#|//|^[ \t]*(?:%env|!|--|\*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One credential in a text, without the credential.

    Attributes:
        provider: Who issued it, or what it is.
        start: First character, from 0.
        end: One behind the last.
        identity: SHA-256 of it, to tell occurrences of the same one; not for display.
        confidence: 0 to 1; 1 where a checksum confirms it.
        guessable: Whether people choose such values: then no digest may be shown.
    """

    provider: str
    start: int
    end: int
    identity: str
    severity: Severity
    confidence: float = 0.9
    guessable: bool = False

    @property
    def label(self) -> str:
        """The beginning of its digest, by which it can be recognised; empty if guessable."""
        return "" if self.guessable else self.identity[:DIGEST_LETTERS]


def find_secrets(text: str, *, settings: bool = False) -> Iterator[Secret]:
    """The credentials of ``text`` from beginning to end.

    Args:
        settings: Whether values stand there without quotes, as in ``.env`` and YAML files
            and in printed output; in code only comments are read so.

    >>> [secret.provider for secret in find_secrets("key = AKIA" + "QZ7LWX2N" * 2)]
    ['AWS']
    """
    taken: list[Secret] = []
    for pattern in PATTERNS:
        if any(mark in text for mark in pattern.marks):
            taken += _fresh(islice(_matches(pattern, text), MAX_SECRETS), taken)
    if _NAMES.search(text.lower()):
        taken += _fresh(islice(_assigned(text, settings=settings), MAX_SECRETS), taken)
    taken += _fresh(islice(_placed(text), MAX_SECRETS), taken)
    taken += _fresh(islice(_put_together(text), MAX_SECRETS), taken)
    taken += _fresh(islice(_encoded(text), MAX_SECRETS), taken)
    yield from sorted(taken, key=lambda secret: secret.start)


def mask_secrets(text: str, *, settings: bool = True) -> str:
    """``text`` with every credential replaced by what it is.

    >>> mask_secrets("login AKIA" + "QZ7LWX2N" * 2)
    'login [AWS removed]'
    """
    pieces, end = [], 0
    for secret in find_secrets(text, settings=settings):
        pieces += [text[end : secret.start], f"[{secret.provider} removed]"]
        end = secret.end
    return "".join([*pieces, text[end:]])


def _fresh(found: Iterable[Secret], taken: list[Secret]) -> list[Secret]:
    """Those that overlap none that is known already."""
    spans = [(secret.start, secret.end) for secret in taken]
    return [
        secret
        for secret in found
        if not any(start < secret.end and secret.start < end for start, end in spans)
    ]


def _matches(pattern: Pattern, text: str) -> Iterator[Secret]:
    for match in _forms(pattern, text):
        if pattern.accepts(match):
            sure = pattern.confirms(match["s"]) if pattern.confirms else None
            yield Secret(
                provider=_provider(pattern, match),
                start=match.start("s"),
                end=match.end("s"),
                identity=_identity(match["s"]),
                severity=Severity.HIGH if sure is False else pattern.severity,
                confidence={None: 0.9, True: 1.0, False: 0.5}[sure],
                guessable=pattern.guessable,
            )


def _forms(pattern: Pattern, text: str) -> Iterator[re.Match[str]]:
    if not pattern.on_one_line:
        yield from pattern.form.finditer(text)
        return
    for start, end in spans_with(text, pattern.marks, 0):
        yield from pattern.form.finditer(text, start, end)


def _provider(pattern: Pattern, match: re.Match[str]) -> str:
    """A private key beside the words of a service account is Google's."""
    around = match.string[max(match.start() - 2000, 0) : match.start()]
    if pattern.provider == "private key" and "service_account" in around:
        return "Google Cloud service account"
    return pattern.provider


def _assigned(text: str, *, settings: bool) -> Iterator[Secret]:
    for match in _candidates(text):
        group = "quoted" if match["quoted"] else "bare"
        if group == "bare" and (_is_called(match) or not (settings or _in_comment(match))):
            continue
        if _is_generated(match) or _is_of_picture(match) or _is_sealed(text, match.start()):
            continue
        value = match[group].rstrip(".")
        word = match["word"] or match["short"] or match["hump"]
        is_password = _PASSWORD.search(word) is not None
        if _is_named_otherwise(match, value) or not _could_be(value, password=is_password):
            continue
        start = match.start(group)
        what = "password" if is_password else "secret by its name"
        yield _of(what, start, value, guessable=is_password)


_STEMS = ("pass", "pwd", "pw", "secret", "token", "key", "fernet", "credential", "masterauth")


def _candidates(text: str) -> Iterator[re.Match[str]]:
    """Assignments on the lines that hold one of the names at all."""
    lowered = text.lower()
    whole = lowered if len(lowered) == len(text) else text
    for start, end in spans_with(whole, _STEMS, 0):
        yield from _ASSIGNED.finditer(text, start, end)


def _placed(text: str) -> Iterator[Secret]:
    """What stands where a password belongs."""
    for found in stood(text):
        if not _is_long_line(text, found.start) and not _is_sealed(text, found.start):
            yield _of(found.what, found.start, found.value, guessable=found.guessable)


def _put_together(text: str) -> Iterator[Secret]:
    """Issuers' forms that code puts together of several pieces."""
    for start, end, whole in put_together(text):
        for pattern in PATTERNS:
            if not pattern.guessable and any(mark in whole for mark in pattern.marks):
                for found in islice(_matches(pattern, whole), 1):
                    yield replace(found, start=start, end=end, confidence=0.6)


def _encoded(text: str) -> Iterator[Secret]:
    """Credentials inside of base64, by the same readings; passwords by the name before it."""
    for start, end, inner, name in encoded(text):
        if is_named_secret(name, inner):
            yield _of("password in base64", start, text[start:end], guessable=True)
            continue
        found = next(_plain(inner), None)
        if found is not None:
            provider = f"{found.provider} in base64"
            yield replace(found, provider=provider, start=start, end=end, confidence=0.8)


def _plain(text: str) -> Iterator[Secret]:
    for pattern in PATTERNS:
        if any(mark in text for mark in pattern.marks):
            yield from _matches(pattern, text)
    if _NAMES.search(text.lower()):
        yield from _assigned(text, settings=True)


def _of(what: str, start: int, value: str, *, guessable: bool) -> Secret:
    return Secret(
        provider=what,
        start=start,
        end=start + len(value),
        identity=_identity(value),
        severity=Severity.HIGH,
        confidence=0.7,
        guessable=guessable,
    )


def _is_called(match: re.Match[str]) -> bool:
    """``token = get_token()`` and ``pwd, other=value``: a call or a keyword, whatever the file."""
    if match.string[match.end() : match.end() + 1] == "(":
        return True
    before = match.string[match.start() : match.start("bare")].rstrip()
    return before.endswith(",") and re.match(r"\w+=", match["bare"]) is not None


def _is_generated(match: re.Match[str]) -> bool:
    """Whether it stands on a line that no hand wrote: bundles of scripts are full of such names."""
    return _is_long_line(match.string, match.start())


def _is_sealed(text: str, place: int) -> bool:
    """Whether it stands among values that were encrypted to be committed."""
    if "encryptedData" not in text and "ANSIBLE_VAULT" not in text:
        return False
    start = max(text.rfind("encryptedData:", 0, place), text.rfind("$ANSIBLE_VAULT", 0, place))
    if start < 0:
        return False
    indent = start - (text.rfind("\n", 0, start) + 1)
    lines = text[start:place].split("\n")[1:-1]
    return all(not line.strip() or len(line) - len(line.lstrip()) > indent for line in lines)


def _is_long_line(text: str, place: int) -> bool:
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    return (end if end >= 0 else len(text)) - start > MAX_HAND_WRITTEN


_CLASS = expression(r"(?:[A-Z][a-z]+)+")
"""The rest of a name of a class, such as ``TokenClassification``: what follows is its argument."""
_PICTURE = expression(
    r"https?://[^\s)\"'<>]{1,200}(?:\.svg|\.png|/badge[^\s)\"'<>]{0,80})\?[^\s)\"'<>]{0,100}$"
)


def _is_of_picture(match: re.Match[str]) -> bool:
    """Whether it stands in the address of a picture, such as a badge, which anybody may fetch."""
    start = max(match.string.rfind("\n", 0, match.start()) + 1, match.start() - 400)
    return _PICTURE.search(match.string[start : match.start()]) is not None


def _could_be(value: str, *, password: bool) -> bool:
    return could_be_password(value) if password else could_be_token(value)


def _is_named_otherwise(match: re.Match[str], value: str) -> bool:
    """Names such as ``token_type`` and ``password_hash``, which hold no secret."""
    if _OTHER_WORD.match(match["rest"] or ""):
        return True
    rest, end = match["rest"] or "", max(match.end("rest"), match.end("short"), match.end("hump"))
    if _NAMES_NOT.search(rest.rstrip("\"'")):
        return True
    between = match.string[end : match.start("quoted" if match["quoted"] else "bare")]
    if "," in between and _CLASS.fullmatch(rest):
        return True
    before = match.string[max(match.start() - 24, 0) : match.start()].rpartition("\n")[2]
    name = re.split(r"[^\w.-]", before)[-1]
    return is_hex(value) and _NAMES_NOT.search(name.rstrip("_-")) is not None


def _in_comment(match: re.Match[str]) -> bool:
    start = match.string.rfind("\n", 0, match.start()) + 1
    return _COMMENT.search(match.string, start, match.start()) is not None


def _identity(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
