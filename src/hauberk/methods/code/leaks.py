"""People's data and internal places, in text: what each is called, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from hauberk.methods.expressions import expression

EMAIL = expression(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,12}(?![\w@])"
)
_EXAMPLES = expression(
    r"(?i)@(?:[\w.-]+\.)?(?:example|test|invalid|localhost|users\.noreply\.github\.com|noreply\.\w+)(?:\.\w+)?$|"
    r"^(?:no-?reply|git|user|name|you|your|me|foo|someone|info|support|security|admin|contact|hello|maintainers?|team|opensource|conduct)\b.*@"
)
_SSN = expression(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_PHONE = expression(
    r"(?<![\w.])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ .-]?|\d{2,4}[ .-])\d{3}[ .-]\d{3,4}(?![\w.])"
)
_IBAN = expression(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = expression(r"(?<![\d.-])(?:\d[ -]?){15}\d(?![\d.-])")
_BORN = expression(r"(?i)\b(?:dob|birth_?date|date_of_birth|born)\b")
_COLUMNS = expression(
    r"(?i)\b(?:e-?mail|ssn|social_security\w*|phone\w*|mobile|first_?name|last_?name|full_?name|surname|"
    r"dob|birth_?date|date_of_birth|address|street|passport\w*|national_id|iban|patient_?(?:id|name)|mrn|diagnosis)\b"
)
MIN_ROWS = 3
"""Rows with people's data from which on a file is a table of people."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Something told where it should not be."""

    what: str
    line: int
    found: str


def people(text: str) -> list[Leak]:
    """Lines that hold people's data, by strong signs: addresses, numbers with a checksum."""
    found: list[Leak] = []
    for number, line in enumerate(text[: 1 << 20].split("\n"), start=1):
        what = _person(line[:4000])
        if what:
            found.append(Leak(what, number, what))
    return found


def _person(line: str) -> str:
    mail = EMAIL.search(line)
    if mail is not None and not _EXAMPLES.search(mail[0]):
        return "e-mail address"
    if _SSN.search(line):
        return "social security number"
    card = _CARD.search(line)
    if card is not None and _luhn(card[0]):
        return "card number"
    iban = _IBAN.search(line)
    if iban is not None and _is_iban(iban[0]):
        return "bank account"
    if _PHONE.search(line) and re.search(r"[A-Z][a-z]+ [A-Z][a-z]+", line):
        return "name with telephone number"
    return ""


def names_people(header: str) -> bool:
    """Whether a header names at least two columns about people."""
    return len({match[0].lower() for match in _COLUMNS.finditer(header)}) > 1


def _luhn(text: str) -> bool:
    digits = [int(letter) for letter in text if letter.isdigit()]
    if len(set(digits)) < 4:
        return False
    doubled = [d * 2 - 9 * (d > 4) if n % 2 == len(digits) % 2 else d for n, d in enumerate(digits)]
    return sum(doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    turned = "".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])
    return int(turned) % 97 == 1


# Places --------------------------------------------------------------------------------

_ADDRESS = expression(
    r"(?<![\d.])(?:10(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2})(?![\d.])(?::\d{2,5})?"
)
_HOST = expression(
    r"(?i)(?<![\w@.-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:internal|corp|intranet|lan|intra|prod|priv|private)(?:\.[a-z]{2,10}){0,2}(?![\w-])(?!\s*\()|"
    r"(?i:(?<![\w@.-])(?:[a-z0-9-]+\.)*(?:internal|corp|intranet|intra)\.[a-z0-9-]+\.[a-z]{2,10}(?![\w.-]))"
)
_BUCKET = expression(r"(?:s3|s3a|gs|abfss?|wasbs?)://[a-z0-9][\w.{}-]{2,62}(?:/[\w./=-]*)?")
_REGISTRY = expression(
    r"\b\d{12}\.dkr\.ecr\.[\w-]+\.amazonaws\.com/[\w./-]+|\b[\w-]+\.azurecr\.io/[\w./-]+|\b(?:[\w-]+-docker\.pkg\.dev|(?:eu|us|asia)?\.?gcr\.io)/[\w-]+/[\w./-]+"
)
_TICKET = expression(
    r"https?://[\w.-]*(?:jira|confluence|atlassian\.net|youtrack|redmine|servicenow|sharepoint|notion\.so|linear\.app)[\w./?=&%#-]*|(?i:\b(?:see|ticket|jira|issue|incident|ref)\b[:# ]{1,3})[A-Z]{2,8}-\d{2,6}\b"
)
_PERSON = expression(
    r"(?i:\b(?:ask|ping|contact|owner|call|talk to|email|by|credentials (?:from|with)|cc)\b:?)\s+(?:@[a-z][\w.-]{2,30}|[A-Z][a-z]+ [A-Z][a-z]+(?:\s*[(<]?[\w.+-]+@[\w.-]+)?)"
)
_ARN = expression(r"\barn:aws[\w-]*:[\w-]+:[\w-]*:\d{12}:[\w./:-]+")
_LOCAL = expression(
    r"(?:/home/|/Users/|C:\\\\?Users\\\\?)(?!runner|user\b|app\b|jovyan|ubuntu|vscode|username|you\b|me\b|work|node|nonroot)[a-z][\w.-]{2,20}(?:/|\\)"
)
_PROGRAMS = frozenset({".py", ".pyi", ".js", ".ts", ".java", ".go", ".rst", ".md"})
_KINDS = (
    ("internal address", _ADDRESS), ("internal host", _HOST), ("bucket", _BUCKET), ("registry path", _REGISTRY),
    ("ticket", _TICKET), ("cloud resource", _ARN), ("person", _PERSON), ("home folder", _LOCAL),
)  # fmt: skip
_SIGNS = {
    "internal address": ("10.", "192.168.", "172."),
    "internal host": (
        *(".internal", ".corp", ".intra", ".lan", ".prod", ".priv"),
        *("internal.", "corp.", "intranet.", "intra."),
    ),
    "bucket": ("://",),
    "registry path": ("amazonaws.com", "azurecr.io", "pkg.dev", "gcr.io"),
    "cloud resource": ("arn:aws",),
    "home folder": ("/home/", "users"),
}
"""One of these stands, in small letters, in every text that holds the kind; found far faster."""
_COMMENT = {
    ".py": "#",
    ".sh": "#",
    ".yaml": "#",
    ".yml": "#",
    ".toml": "#",
    ".tf": "#",
    ".r": "#",
    ".js": "//",
    ".java": "//",
    ".go": "//",
}
_EXAMPLE = expression(
    r"(?i)example|placeholder|your-|my-bucket|<|\$\{|\{\{|bucket-name|localhost|foo|dummy|"
    r"://(?:my|test|some|the|your|a)?[-_]?bucket\d?\b"
)
_SPOKEN = expression(
    r"(?i)://|@|:\d{2,5}\b|host|server|ur[il]|endpoint|addr|dsn|broker|proxy|dns|ssh|login"
)
"""A dotted name in a program is a module, unless the line speaks of a place in a network."""


def places(text: str, path: PurePath) -> Iterator[Leak]:
    """Internal hosts, addresses, buckets, registries, tickets and people in comments and settings."""
    small = text.lower()
    mark = _COMMENT.get(path.suffix.lower())
    spoken = _comments(text, mark) if mark else text
    kinds = [
        (what, pattern)
        for what, pattern in _KINDS
        if (
            any(sign in small for sign in _SIGNS[what])
            if what in _SIGNS
            else pattern.search(spoken)
        )
    ]
    if not kinds:
        return
    for number, line in _holding(text, kinds):
        if len(line) > 2000 or _EXAMPLE.search(line):
            continue
        comment = line.partition(mark)[2] if mark and mark in line else ""
        for what, pattern in kinds:
            read = line if what not in {"person", "ticket"} else (comment if mark else line)
            match = pattern.search(read)
            if match is None or (what == "internal address" and _is_netmask(line)):
                continue
            if what == "internal host" and path.suffix.lower() in _PROGRAMS:
                if re.match(r"\s*(?:from|import)\b", line) or not _SPOKEN.search(line):
                    continue
                if mark and not comment and _OPERAND.search(line[: line.find(match[0])]):
                    continue
            if what == "internal host" and not re.search(
                r"[/:@\"'= ]|^", line[: line.find(match[0])][-1:] or " "
            ):
                continue
            yield Leak(what, number, match[0][:60])
            break


def _comments(text: str, mark: str) -> str:
    """What stands behind the mark of a comment: people and tickets count nowhere else."""
    return "\n".join(line.partition(mark)[2] for line in text.split("\n") if mark in line)


def _holding(text: str, kinds: list[tuple[str, re.Pattern[str]]]) -> Iterator[tuple[int, str]]:
    """Lines on which one of the kinds stands at all, from the first to the last."""
    starts = {
        text.rfind("\n", 0, match.start()) + 1
        for _, pattern in kinds
        for match in pattern.finditer(text)
    }
    number, seen = 1, 0
    for start in sorted(starts):
        number += text.count("\n", seen, start)
        seen = start
        end = text.find("\n", start)
        yield number, text[start : end if end >= 0 else len(text)]


_OPERAND = expression(r"(?:[=(,\[{+:]|\breturn|\bin|\bnot|\bawait)[ \t]*$")
"""What stands before a dotted name that a program reads: such a name is no host."""


def _is_netmask(line: str) -> bool:
    return (
        re.search(r"(?:\.0){1,3}/\d{1,2}|NO_PROXY|no_proxy|cidr|subnet|bind|listen|version", line)
        is not None
    )
