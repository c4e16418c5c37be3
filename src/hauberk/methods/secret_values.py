"""Whether a text is a secret or stands in for one: placeholders, words, hashes, checksums."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import string
import zlib
from collections import Counter

from hauberk.methods.expressions import expression

_STAND_INS = expression(
    r"example|change[_-]?(?:me|it|this)|placeholder|your|dummy|redacted|censored|insert|replace|"
    r"sample|fake|foobar|not[_-]?(?:a|real)|secret[_-]?here|x{4,}|\*{3,}|\.{3,}|-{4,}|_{4,}|"
    r"0123456|123456789|abcdefg|qwerty|deadbeef|todo|fixme|lorem",
    re.IGNORECASE,
)
_NAMED = expression(r"[A-Z]+(?:_[A-Z]+)*_(?:PASS(?:WORD|WD)?|PWD|SECRET|TOKEN|KEY)")
"""A name in capitals where a value belongs: what documentation writes."""
_TEMPLATE = expression(
    r"\$\{|\{\{|\$\(|%\(|<[\w .-]{1,60}>|^\$\w|^%\w+%$|^\{[^}]*\}$|^!\w|ENC\[|__\w+__"
)
_PATTERN = expression(
    r"\[\^?[A-Za-z0-9]-[A-Za-z0-9]|\(\?[:P<=!]|\\[wdsS][+*{]|\][+*]|\.[+*]\)|\]\{\d"
)
"""What a regular expression writes where the letters of a secret would stand."""
_PUBLISHED = expression(
    r"4eC39HqLyjWDarjtT1zdp7dc|AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe|wJalrXUtnFEMI/K7MDENG|"
    r"AIzaSyCwEro-wQ6YUNcA1E|(?i:my_?(?:new_?)?(?:token|secret|api_?key|password)_?\d*)$"
)
"""Keys that documentation of their issuers shows, and names in place of values."""
_ELSEWHERE = expression(
    r"^(?:env|vault|secret|secrets|ssm|arn|op|file|keyring|sops|gsm|aws|ref|awssm)(?::|\.\w)",
    re.IGNORECASE,
)
_UUID = expression(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = expression(r"(?:0x)?[0-9a-fA-F]+")
_DIGEST_FORM = expression(r"(?:sha\d{1,3}|md5|blake2[bs])[:=-]|^[0-9a-f]{7,}\.\.\.")
_RUN = expression(r"(.)\1{5}")
_WORD = expression(r"[a-z]{4,}|[A-Z][a-z]{3,}|[A-Z]{4,}")
_REFERENCE = expression(
    r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)+(?:\(.*)?|[a-z]+\d?(?:[_-][a-z]+\d?)*|[A-Z_]+"
)
_PATH = expression(r"[~.]{0,2}/?[a-z_.-][a-z0-9_.-]*(?:/[a-z0-9_.-]*)+|[~.]{1,2}/[\w./~-]*")

_INSTEAD = (_STAND_INS, _TEMPLATE, _PATTERN, _PUBLISHED, _ELSEWHERE, _RUN)

_ALPHABETS = (
    string.digits + string.ascii_uppercase + string.ascii_lowercase,
    string.digits + string.ascii_lowercase + string.ascii_uppercase,
)
_CHECKSUM_LETTERS = 6

COMMON = frozenset(
    """
    admin administrator airflow anonymous bar bitnami default docker foo guest hunter2 jupyter
    key letmein login minio minio123 minioadmin mlflow mypassword mysecret
    mysecretpassword mysql none null pass passwd password password1 password123 postgres
    postgresql pw pwd rabbitmq redis root s3cret sa scott secret secret123 test test123
    tester testing tiger token user username
    """.split()  # noqa: SIM905 - a table of words reads better as words
)
"""What documentation and local set-ups write where a password belongs."""

_FEW = 5
_LONG = 200
_MIN_PASSWORD = 8
_MIN_PASSPHRASE_IN_URL = 10
_MIN_TOKEN = 16
_SHORT_TOKEN = 10
_MIN_BITS_PASSWORD = 2.8
_MIN_BITS_TOKEN = 3.1


def is_stand_in(value: str) -> bool:
    """Whether ``value`` only says that a secret belongs here.

    >>> is_stand_in("<your-token>"), is_stand_in("${TOKEN}"), is_stand_in("xxxxxxxx")
    (True, True, True)
    """
    lowered = value.lower()
    inner = decoded(value) if len(value) % 4 == 0 and len(value) < _LONG else None
    if inner and value != inner and is_stand_in(inner.strip()):
        return True
    return (
        lowered in COMMON
        or len(set(value)) < _FEW
        or _NAMED.fullmatch(value) is not None
        or any(rule.search(value) for rule in _INSTEAD)
    )


def decoded(text: str) -> str | None:
    """The text that base64 holds; ``None`` where it holds none.

    >>> decoded("c3ZjOlZrNyNwTHEyd3o=")
    'svc:Vk7#pLq2wz'
    """
    bare = text.rstrip("=")
    if len(bare) % 4 == 1:
        return None
    try:
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        found = data.decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return found if all(mark.isprintable() or mark in "\r\n\t" for mark in found) else None


def bits_per_letter(value: str) -> float:
    """Shannon entropy of the letters of ``value``; 0 for one letter repeated."""
    count = len(value)
    return -sum(n / count * math.log2(n / count) for n in Counter(value).values())


def is_identity(value: str) -> bool:
    """Whether ``value`` names something without opening it: a UUID or a labelled digest."""
    return bool(_UUID.search(value) or _DIGEST_FORM.search(value))


def is_hex(value: str) -> bool:
    """Whether ``value`` consists of hexadecimal digits."""
    return _HEX.fullmatch(value) is not None


def wordiness(value: str) -> float:
    """Share of ``value`` that reads as words, 0 to 1."""
    return sum(map(len, _WORD.findall(value))) / max(len(value), 1)


def looks_random(value: str) -> bool:
    """Whether ``value`` was drawn by a machine, as tokens are."""
    return (
        len(value) >= _MIN_TOKEN
        and _n_classes(value) >= 2  # noqa: PLR2004 - letters and digits at least
        and any(mark.isdigit() for mark in value)
        and any(mark.isalpha() for mark in value)
        and bits_per_letter(value) >= _MIN_BITS_TOKEN
        and wordiness(value) < 0.5  # noqa: PLR2004 - half of it
    )


def looks_chosen(value: str) -> bool:
    """Whether ``value`` looks like a password that a person chose with care."""
    return (
        len(value) >= _MIN_PASSWORD
        and any(mark.isdigit() for mark in value)
        and any(mark.isalpha() for mark in value)
        and bits_per_letter(value) >= _MIN_BITS_PASSWORD
        and wordiness(value) < (0.75 if _n_classes(value) < 4 else 0.9)  # noqa: PLR2004 - of four
    )


def could_be_password(value: str) -> bool:
    """Whether a value assigned to something called a password may be one."""
    return not _is_code(value) and not is_stand_in(value) and looks_chosen(value)


def could_be_token(value: str) -> bool:
    """Whether a value assigned to something called a token, secret or key may be one."""
    if _is_code(value) or is_stand_in(value) or is_identity(value):
        return False
    strong = len(value) >= _SHORT_TOKEN and _n_classes(value) >= 3  # noqa: PLR2004 - of four
    return looks_random(value) or (strong and looks_chosen(value))


def _names_itself(password: str, user: str) -> bool:
    """``app_password`` of ``app_user``: the name of the place, left as an example shows it."""
    words = re.split(r"[-_.]", password.lower())
    others = set(re.split(r"[-_.]", user.lower()))
    said = {"password", "passwd", "passwort", "pass", "pwd", "secret"}
    return bool(said & set(words)) and set(words) - said <= others


def could_be_in_url(password: str, user: str) -> bool:
    """Whether the part between colon and at sign of an address is a password."""
    if (
        password == user
        or is_stand_in(password)
        or _names_itself(password, user)
        or password.strip("[]{}()<>") in COMMON
    ):
        return False
    mixed = _n_classes(password) >= 2  # noqa: PLR2004 - of four
    return mixed or len(password) >= _MIN_PASSPHRASE_IN_URL


def has_checksum(token: str) -> bool:
    """Whether the last six letters are the base-62 CRC-32 of what lies behind the prefix."""
    body = token.rpartition("_")[2]
    payload, claimed = body[:-_CHECKSUM_LETTERS], body[-_CHECKSUM_LETTERS:]
    number = zlib.crc32(payload.encode())
    return any(_base62(number, letters) == claimed for letters in _ALPHABETS)


def is_web_token(token: str) -> bool:
    """Whether ``token`` is a signed JSON Web Token that is no well-known example."""
    head, claims = (_decoded(part) for part in token.split(".")[:2])
    if not isinstance(head, dict) or not isinstance(claims, dict):
        return False
    is_example = claims.get("name") == "John Doe" or str(claims.get("sub")) == "1234567890"
    return str(head.get("alg", "none")).lower() != "none" and not is_example


def _decoded(part: str) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None


def _base62(number: int, letters: str) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, len(letters))
        digits = letters[rest] + digits
    return digits.rjust(_CHECKSUM_LETTERS, letters[0])


def _n_classes(value: str) -> int:
    """How many of lower case, upper case, digits and other marks occur."""
    tests = (str.islower, str.isupper, str.isdigit, lambda mark: not mark.isalnum())
    return sum(any(map(test, value)) for test in tests)


def _is_code(value: str) -> bool:
    """A name, a call, a path or an address rather than a value."""
    return (
        "://" in value
        or _REFERENCE.fullmatch(value) is not None
        or _PATH.fullmatch(value) is not None
    )
