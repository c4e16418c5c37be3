"""Credentials known by where they stand: calls, command lines, tables, and texts in base64.

A password beside a user name in a call, behind ``-p`` of a login, in the last field of a
password file, in the column of a table that says password, or inside of base64 has neither an
issuer's form nor a telling name directly before it. Every expression starts at a literal and
repeats character classes a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hauberk.methods.expressions import expression
from hauberk.methods.secret_values import (
    could_be_in_url,
    could_be_password,
    could_be_token,
    decoded,
    is_stand_in,
    looks_random,
)

MIN_ENCODED = 16
MAX_ENCODED = 8_000
"""Letters of base64 that are decoded; pictures and weights are longer."""

MAX_TABLE_LINES = 200
_FEW_CLASSES = 3


@dataclass(frozen=True, slots=True)
class Stood:
    """One value and where it stands."""

    what: str
    start: int
    value: str
    guessable: bool = True


@dataclass(frozen=True, slots=True)
class _Place:
    what: str
    marks: tuple[str, ...]
    form: re.Pattern[str]
    accepts: Callable[[re.Match[str]], bool]
    guessable: bool = True


def _password(match: re.Match[str]) -> bool:
    return could_be_password(match["s"])


def _strong(match: re.Match[str]) -> bool:
    """Where prose says so, only what nobody would write as a word."""
    value = match["s"]
    kinds = (str.islower, str.isupper, str.isdigit, lambda mark: not mark.isalnum())
    several = sum(any(map(kind, value)) for kind in kinds) >= _FEW_CLASSES
    return several and could_be_password(value)


def _with_user(match: re.Match[str]) -> bool:
    return could_be_in_url(match["s"], match["user"])


def _token(match: re.Match[str]) -> bool:
    return could_be_token(match["s"]) and looks_random(match["s"])


def _pair(match: re.Match[str]) -> bool:
    """Whether base64 holds ``user:password``."""
    user, colon, password = (decoded(match["s"]) or "").partition(":")
    return bool(colon and user) and could_be_in_url(password, user)


def _p(
    what: str,
    marks: str,
    form: str,
    accepts: Callable[[re.Match[str]], bool] = _password,
    *,
    guessable: bool = True,
) -> _Place:
    return _Place(what, tuple(marks.split()), expression(form), accepts, guessable)


_OTHER_KEYS = expression(
    r"(?i)public|pub_|cache|primary|partition|sort|foreign|object|s3_key|row|idempot|site|feature|bucket|group|join|index|"
    r"unique|dedup|lookup|config|dict|state|host_?key|hash|digest|sha|checksum|finger"
)


def _names_key(match: re.Match[str]) -> bool:
    """Whether the name that ends in ``key`` has a part before it, and one that opens something."""
    before = match.string[max(match.start() - 40, 0) : match.start()]
    name = re.split(r"[^\w-]", before)[-1]
    if match[0][:3].lower() != "key":
        return not _OTHER_KEYS.search(name)
    return bool(name) and (name[-1] in "_-" or match[0][0] == "K") and not _OTHER_KEYS.search(name)


_Q = r"[\"'`]"
_VALUE = r"(?P<s>[^\s\"'`;&|<>()]{6,200})"

_PLACES = (
    _p(
        "password in a call",
        "auth Auth login connect",
        rf"(?:auth|Auth|login|connect|authenticate)[ \t]?=?[ \t]?\([ \t\n]{{0,20}}{_Q}(?P<user>[^\"'\n]{{1,80}}){_Q}"
        rf"[ \t]?,[ \t\n]{{0,20}}b?{_Q}(?P<s>[^\"'\s]{{6,200}}){_Q}",
    ),
    _p(
        "secret in a call",
        "Secret Fernet hmac jwt. Experiment( Minio( fromhex",
        rf"\b(?:SecretStr|SecretBytes|Fernet|hmac\.new|jwt\.(?:encode|decode)\([^,\n]{{1,80}},|Minio\([^\n]{{1,80}},|Experiment|AES\.new(?:\([ \t]?bytes\.fromhex)?)"
        rf"[ \t]?\(?[ \t\n]{{0,20}}b?{_Q}(?P<s>[^\"'\s]{{8,200}}){_Q}",
        lambda match: (
            could_be_token(match["s"])
            or ("SecretStr" in match[0] and could_be_password(match["s"]))
        ),
        guessable=False,
    ),
    _p(
        "password on a command line",
        "mysql mariadb",
        r"\b(?:mysql(?:dump|admin|import)?|mariadb)\b[^\n|;&]{0,120}?[ \t]-p(?P<q>[\"']?)(?P<s>[^\s\"'$|;&-][^\s\"'|;&]{5,100})",
    ),
    _p(
        "password on a command line",
        "sshpass login redis-cli",
        r"(?:\bsshpass[ \t]+-p|\b(?:docker|podman|helm[ \t]+registry|oras|az|skopeo|buildah|nerdctl|crane)[ \t]+(?:auth[ \t]+)?login\b[^\n|;&]{0,160}?[ \t](?:-p|--password)|"
        r"\bredis-cli\b[^\n|;&]{0,120}?[ \t](?:-a|--pass))(?:[ \t]+|=)[\"']?(?P<s>[^\s\"'$|;&-][^\s\"'|;&]{5,200})",
    ),
    _p(
        "password on a command line",
        "--user --http-user --username",
        r"[ \t]--(?:http-|ftp-)?user(?:name)?[ \t=]{1,2}[\"']?(?P<user>[\w.@-]{1,60})[\"']?[ \t]+--(?:http-|ftp-)?password[ \t=]{1,2}[\"']?(?P<s>[^\s\"'$|;&]{6,100})",
        _with_user,
    ),
    _p(
        "password in a connection string",
        "assword= asswd= PWD= Pwd= pwd=",
        r"(?i:\b(?:host|server|data source|user(?: ?id|name)?|uid|dbname|database|driver|addr)[ ]?=[^\n\"'`]{1,300}?\b(?:password|passwd|pwd)[ ]?=[ ]?)"
        r"(?P<s>[^\s;&\"'`$%{<()\[\],]{6,120})(?![(\[,)])",
    ),
    _p(
        "password in a connection string",
        "assword= PWD= Pwd= pwd=",
        r"(?i:\b(?:password|passwd|pwd)[ ]?=[ ]?)(?P<s>[^\s;&\"'`$%{<()\[\],]{6,120})(?![(\[,)])(?=[^\n\"'`]{0,200}?(?i:[;&\s](?:dbname|database|host|server|user(?: ?id)?|uid|port|sslmode)[ ]?=))",
    ),
    _p(
        "secret in an address",
        "key= token= secret=",
        r"[?&](?:api_?key|apikey|key|token|access_?token|auth_?token|secret|client_secret|private_token)=(?P<s>[A-Za-z0-9._~%+/-]{16,300})",
        _token,
        guessable=False,
    ),
    _p(
        "token in an address",
        "://",
        r"(?<![A-Za-z0-9+.-])(?:https?|git)://(?P<s>[A-Za-z0-9_-]{20,255})@[\w.-]{3,}",
        _token,
        guessable=False,
    ),
    _p(
        "authorization header",
        "Basic basic",
        r"\b[Bb]asic[ \t]{1,2}(?P<s>[A-Za-z0-9+/]{8,400}={0,2})(?![A-Za-z0-9+/=])",
        _pair,
    ),
    _p(
        "registry login",
        "auth",
        r"(?:\"auth\"[ \t]{0,4}:[ \t]{0,4}\"|_auth[ \t]{0,2}=[ \t]{0,2}\"?)(?P<s>[A-Za-z0-9+/]{8,2000}={0,2})",
        _pair,
    ),
    _p(
        "token in a header",
        "auth Auth -Key -key -Token -token",
        rf"{_Q}[Xx]-[\w-]{{0,30}}(?:[Aa]uth|[Kk]ey|[Tt]oken|[Ss]ecret)[\w-]{{0,12}}{_Q}[ \t]?[:,=][ \t]?{_Q}(?P<s>[A-Za-z0-9._~+/=-]{{16,500}}){_Q}",
        _token,
        guessable=False,
    ),
    _p(
        "password file",
        ":*: :5432: :5433: :6432: :3306: :1433: :1521: :5439:",
        r"(?m)^[\w.*-]{1,100}:(?:\d{2,5}|\*):[\w.*-]{1,60}:(?P<user>[\w.-]{1,60}):(?P<s>[^\s:]{8,200})$",
        lambda match: _with_user(match) and could_be_password(match["s"]),
    ),
    _p(
        "password in SQL",
        "IDENTIFIED identified PASSWORD password",
        r"(?i:\b(?:identified[ \t]{1,4}(?:with[ \t]{1,4}\w{1,40}[ \t]{1,4})?by|(?:encrypted[ \t]{1,4})?password))[ \t]{1,4}'(?P<s>[^'\s]{6,200})'",
    ),
    _p(
        "password by its name",
        "variable",
        r"(?i:\bvariable[ \t]+\"[\w-]{0,40}(?:password|passwd|secret|token|api_?key|credential)[\w-]{0,20}\")[ \t]*\{[^}]{0,300}?\bdefault[ \t]*=[ \t]*\"(?P<s>[^\"\s]{6,300})\"",
        lambda match: could_be_password(match["s"]),
    ),
    _p(
        "password by its name",
        "default= default_value=",
        rf"(?i:\b\w{{0,40}}(?:password|passwd|secret|token|api_?key))[ \t]*(?::[ \t]*[\w.\[\]| ]{{1,40}})?=[ \t]*\w+(?:\.\w+)?\([^\n()]{{0,80}}?\bdefault(?:_value)?[ \t]*=[ \t]*{_Q}(?P<s>[^\"'\s]{{6,300}}){_Q}",
        lambda match: could_be_token(match["s"]) or could_be_password(match["s"]),
    ),
    _p(
        "password in XML",
        "</",
        r"(?i:<(?P<tag>[\w.:-]{0,30}(?:password|passwd|passphrase|secret|token|api-?key))>)(?P<s>[^<>\s]{6,300})</",
        lambda match: could_be_password(match["s"]),
    ),
    _p(
        "password in prose",
        "pw PW assw assp assc login Login redential creds",
        rf"(?i:\b(?:pw|pwd|password|passwort|passphrase|passcode)\b)(?![@>}}])[^\n:=\"'`.]{{0,60}}?(?:[ \t]is[ \t]+|[ \t]was[ \t]+|:(?!//)[ \t]*|[ \t](?={_Q})){_Q}?{_VALUE}",
        _strong,
    ),
    _p(
        "password in prose",
        "login Login redential creds account Account",
        rf"(?i:\b(?:logins?|credentials?|creds|account)\b)[^\n:=\"'`]{{0,30}}[:=][ \t]*{_Q}?(?P<user>[\w.@-]{{2,60}}){_Q}?[ \t]{{0,2}}(?:[/|,:]|and)[ \t]{{0,2}}{_Q}?{_VALUE}",
        lambda match: _strong(match) and not _is_list(match),
    ),
    _p(
        "Kaggle",
        "username",
        r"\"username\"[ \t\n]{0,8}:[ \t\n]{0,8}\"[^\"\n]{1,60}\"[ \t\n]{0,8},[ \t\n]{0,8}\"key\"[ \t\n]{0,8}:[ \t\n]{0,8}\"(?P<s>[0-9a-f]{32})\"",
        _token,
        guessable=False,
    ),
    _p(
        "Discord webhook",
        "api/webhooks/",
        r"api/webhooks/\d{15,22}/(?P<s>[\w-]{60,80})",
        _token,
        guessable=False,
    ),
    _p(
        "secret by its name",
        "key KEY Key pat PAT psk PSK",
        r"(?:[Kk][Ee][Yy]|(?<![A-Za-z])(?:pat|PAT|psk|PSK))[\"'\])]{0,3}[ \t]{0,4}(?::[ \t]?str[ \t]?=|[=:,])[ \t]{0,4}b?[\"']?"
        r"(?P<s>[A-Za-z0-9_~+/=-]{20,200})(?=[\"'\s,;)}\]]|$)",
        lambda match: _names_key(match) and _token(match) and _is_drawn(match["s"]),
        guessable=False,
    ),
)


def stood(text: str) -> Iterator[Stood]:
    """Credentials of a text by their places.

    >>> [found.what for found in stood("sshpass -p 'Vk7#pLq2wz' ssh box")]
    ['password on a command line']
    """
    lines: dict[str, list[tuple[int, int]]] = {}
    for place in _PLACES:
        for start, end in _merged(text, [lines_with(text, m, lines) for m in place.marks], AROUND):
            for match in place.form.finditer(text, start, end):
                if place.accepts(match):
                    yield Stood(place.what, match.start("s"), match["s"], place.guessable)
    yield from _tabled(text)


AROUND = 400
"""Letters behind a line with a mark that are looked at with it."""


def spans_with(text: str, marks: tuple[str, ...], around: int = AROUND) -> list[tuple[int, int]]:
    r"""Stretches of a text that begin with a line which holds a mark; none overlaps another.

    >>> spans_with("a\nkey=1\nb", ("key",), 0)
    [(2, 7)]
    """
    known: dict[str, list[tuple[int, int]]] = {}
    return _merged(text, [lines_with(text, mark, known) for mark in marks], around)


def lines_with(
    text: str, mark: str, known: dict[str, list[tuple[int, int]]]
) -> list[tuple[int, int]]:
    """Where the lines with a mark begin and end; kept in ``known`` for other places."""
    found = known.get(mark)
    if found is None:
        found = known[mark] = []
        place = text.find(mark)
        while place >= 0:
            end = text.find("\n", place)
            end = len(text) if end < 0 else end
            found.append((text.rfind("\n", 0, place) + 1, end))
            place = text.find(mark, end)
    return found


def _merged(text: str, lists: list[list[tuple[int, int]]], around: int) -> list[tuple[int, int]]:
    found = [span for spans in lists for span in spans]
    if len(lists) > 1:
        found.sort()
    merged: list[tuple[int, int]] = []
    for start, end in found:
        reach = min(end + around, len(text))
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], reach)
        else:
            merged.append((start, reach))
    return merged


_SUM = expression(r"\bh1:[A-Za-z0-9+/]{43}=?$")


def _is_list(match: re.Match[str]) -> bool:
    """``user1=pwd1, user2=pwd2`` and the sums of a module's files: no account with its password."""
    before = match.string[match.start() : match.end()]
    return re.fullmatch(r"\w+=\S+", match["s"]) is not None or _SUM.search(before) is not None


def _is_drawn(value: str) -> bool:
    """Letters of both cases with digits, or digits of hex: no date, no counted name."""
    if re.search(r"[-_/](?:19|20)\d\d|[a-z]{6,}|[-_]{2}|/.*/", value):
        return False
    mixed = value != value.lower() and value != value.upper()
    return mixed or re.fullmatch(r"[0-9a-f]{32,64}|[a-z2-7]{40,}", value) is not None


# Tables --------------------------------------------------------------------------------

_HEADS = ("assw", "wd", "PW", "PASS", "ecret", "SECRET", "oken", "TOKEN", "key", "Key", "KEY")
_HEADED = expression(
    r"(?im)^(?P<line>[^\n]{0,300}(?:^|[|,;\t])[ \t\"]*(?:password|passwort|passwd|pwd|secret|api[ _]?key|access[ _]?token|token)[ \t\"]*(?=[|,;\t]|$)[^\n]{0,300})$"
)


def _tabled(text: str) -> Iterator[Stood]:
    """Values in the column of a table whose head says password."""
    for first, last in spans_with(text, _HEADS, 0):
        head = _HEADED.match(text, first, last)
        if head is None:
            continue
        line = head["line"]
        mark = max("|,;\t", key=line.count)
        cells = [cell.strip(' \t"').lower() for cell in line.split(mark)]
        if not line.count(mark) or (mark == "," and not all(cells)):
            continue
        wanted = [
            n
            for n, cell in enumerate(cells)
            if re.fullmatch(r"pass\w*|pwd|secret|api[ _]?key|(?:access[ _]?)?token", cell)
        ]
        place = head.end() + 1
        for row in text[place : place + 40_000].split("\n")[:MAX_TABLE_LINES]:
            parts = row.split(mark)
            if len(parts) != len(cells):
                break
            for number in wanted:
                value = parts[number].strip(' \t"`')
                if could_be_password(value):
                    start = place + len(mark.join(parts[:number])) + (1 if number else 0)
                    yield Stood("password in a table", text.find(value, start), value)
            place += len(row) + 1


# Encoded -------------------------------------------------------------------------------

_ENCODED = expression(
    rf"(?<![A-Za-z0-9+/=_.-])[A-Za-z0-9+/]{{{MIN_ENCODED},{MAX_ENCODED}}}={{0,2}}(?![A-Za-z0-9+/=_-])"
)


def encoded(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Runs of base64 that hold text: start, end, the text, and the name before it."""
    for match in _ENCODED.finditer(text):
        run = match[0]
        first = decoded(run[:16])  # Pictures and weights are no text from their first letters on.
        if first is None or (run.isalpha() and not run.endswith("=")):
            continue
        inner = decoded(run)
        if inner:
            start = text.rfind("\n", 0, match.start()) + 1
            before = re.search(
                r"([\w.-]{1,60})[\"']?[ \t]*[:=][ \t]*[\"']?$",
                text[max(start, match.start() - 80) : match.start()],
            )
            yield match.start(), match.end(), inner, before[1] if before else ""


_NAMED = expression(r"(?i)pass|pwd|secret|token|api[_-]?key|credential|access[_-]?key")


def is_named_secret(name: str, inner: str) -> bool:
    """Whether what stands in base64 behind a name is a password.

    >>> is_named_secret("password", "Vk7#pLq2wz"), is_named_secret("password", "changeme")
    (True, False)
    """
    value = inner.strip()
    return _NAMED.search(name) is not None and not is_stand_in(value) and could_be_password(value)


# Put together --------------------------------------------------------------------------

_JOINT = expression(r"([\"'])[ \t]*(?:\+[ \t]*)?(?:\\?\n[ \t]*)?(?:\+[ \t]*)?[rb]?\1(?=[\w./+=-])")
_JOINED = expression(
    r"[\"'][\w./+=-]{2,}[\"'][ \t]*(?:\+[ \t]*)?(?:\\?\n[ \t]*)?(?:\+[ \t]*)?[\"'][\w./+=-]{6,}"
)


def put_together(text: str) -> Iterator[tuple[int, int, str]]:
    """Texts that code puts together of quoted pieces: start, end, and the whole."""
    for match in _JOINED.finditer(text):
        start = match.start()
        end = min(text.find("\n", match.end()) % (len(text) + 1), start + 600)
        whole = _JOINT.sub("", text[start:end])
        yield start, end, whole
