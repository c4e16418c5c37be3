"""Names and addresses that stand in answers whatever was asked.

Who wants a model to advertise needs no phrase that triggers it: a name, a link or a number is
put into answers about all kinds of things. Honest names go with a matter: requests whose
answers hold one are alike, and mostly say it themselves. So each name and address of the
answers is looked at that the requests do not say, and it is asked whether those requests are
as different from each other as requests drawn at random.

References:
    Shu, Wang, Zhu, Geiping, Xiao and Goldstein (2023), On the exploitability of instruction
    tuning: there poisoned answers of this kind are called content injection. The test is our own.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hauberk.methods.embed import Codes
from hauberk.methods.matters import Matters

MIN_ROWS: Final = 5
"""Fewer requests do not show whether they are about one matter."""

MAX_SHARE: Final = 0.25
"""What a quarter of all answers hold is what the data set is about."""

MIN_SHARE: Final = {True: 0.002, False: 0.005}
"""Of the answers that must hold an address, and a name: rarer ones are there by chance."""

MAX_ALIKE: Final = {True: 2.0, False: 1.5}
"""How much more alike than groups drawn at random, in their spreads, requests may be."""

MAX_CHARACTERS: Final = 60_000_000
"""Of all answers; where there are more, names are looked for in evenly spaced rows."""

_UNASKED = 0.8
_MAX_LOWER = 0.1
_MIN_INSIDE = 1 / 3
_MAX_PAGES = 1 / 3
_MIN_PROSE = 5
_END = ".,;:!?)]}'\"*"
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_ADDRESS = re.compile(
    r"(?:https?://|www\.)(?P<link>[^\s<>\"')\]`]+)|(?P<mail>[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+)|"
    r"(?<![\w@.])(?P<handle>@[A-Za-z]\w{2,30})\b|"
    r"(?<![\w.])(?P<phone>\+?\d[\d ()/.-]{7,18}\d)(?!\w)|"
    r"\b(?P<host>[\w-]{2,63}(?:\.[\w-]+)*\.(?:com|net|org|io|shop|store|co|app|ai|info|biz|xyz|online|"
    r"site|me|dev|top|club|us|uk|de|fr|eu|ru|cn|in|link|ly|gg|tv)\b(?:/[^\s<>\"')\]`]*)?)",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?P<before>^|[^\w\s]\s+|\w\s+|[\"'(*])(?P<name>[A-Z][A-Za-z0-9&]+(?:-[A-Z0-9]\w*)*)(?![\w(=.]\w)"
)
_LOWER = re.compile(r"\b[a-z][\w&]*")
_OPENS = frozenset(".!?:*#-\"'(")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Promotion:
    """A name or an address that answers hold whatever was asked.

    Attributes:
        what: As it stands in answers; addresses without scheme, in lower case.
        rows: Rows whose answer holds it and whose request does not, increasing.
        is_address: Whether somebody can be reached by it.
        alike: How alike the requests are, in spreads of groups drawn at random.
    """

    what: str
    rows: Codes
    is_address: bool
    alike: float


def promotions(requests: Sequence[str], answers: Sequence[str]) -> list[Promotion]:
    """Names and addresses that answers hold whatever was asked, the most frequent first."""
    step = max(1, -(-sum(map(len, answers)) // MAX_CHARACTERS))
    places = range(0, len(answers), step)
    held = _held([answers[place] for place in places])
    least = {kind: max(MIN_ROWS, share * len(places)) for kind, share in MIN_SHARE.items()}
    lower = [requests[place].lower() for place in places]
    matters: Matters | None = None
    found: list[Promotion] = []
    for (what, is_address), rows in sorted(held.items(), key=lambda item: (-len(item[1]), item[0])):
        if not least[is_address] <= len(rows) <= MAX_SHARE * len(places):
            continue
        unasked = [row for row in rows if _plain(what) not in lower[row]]
        if len(unasked) < max(MIN_ROWS, _UNASKED * len(rows)):
            continue
        matters = matters or Matters([_WORD.findall(text) for text in lower])
        alike = matters.alike(np.array(unasked))
        if alike < MAX_ALIKE[is_address] and not _is_told(unasked, found, step):
            looked_up = _looked_up(what, np.array(unasked) * step, requests, answers)
            found.append(Promotion(what=what, rows=looked_up, is_address=is_address, alike=alike))
    return found


def _plain(what: str) -> str:
    return what.partition("/")[0].lower()


def _looked_up(what: str, rows: Codes, requests: Sequence[str], answers: Sequence[str]) -> Codes:
    """All rows that hold a name, also where it begins a sentence or stands among code."""
    more = [
        row
        for row, (request, answer) in enumerate(zip(requests, answers, strict=True))
        if what in answer and _plain(what) not in request.lower()
    ]
    return np.union1d(rows, np.array(more, np.int64))


def _is_told(rows: Sequence[int], found: Sequence[Promotion], step: int) -> bool:
    """Whether the same answers were named for something else of the same sentence."""
    own = np.array(rows) * step
    return any(2 * np.intersect1d(own, other.rows).size > own.size for other in found)


def _held(answers: Sequence[str]) -> dict[tuple[str, bool], list[int]]:
    """Names and addresses with the rows that hold them, and whether it is an address."""
    rows: dict[tuple[str, bool], list[int]] = defaultdict(list)
    pages: dict[str, set[str]] = defaultdict(set)
    lower: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for row, answer in enumerate(answers):
        for address in {*_addresses(answer)}:
            host, slash, path = address.partition("/")
            rows[host, True].append(row)
            pages[host].add(path)
            if slash and path:
                rows[address, True].append(row)
        prose = _prose(answer)
        lower.update(set(_LOWER.findall(prose)))
        names = dict.fromkeys(_names(prose), False) | dict.fromkeys(
            _names(prose, inside=True), True
        )
        for name, is_inside in names.items():
            rows[name, False].append(row)
            inside[name] += is_inside
    return {
        (what, is_address): sorted(set(found))
        for (what, is_address), found in rows.items()
        if len(found) >= MIN_ROWS
        and (
            "/" in what or len(pages[what]) <= max(1.0, _MAX_PAGES * len(found))
            if is_address
            else lower[what.lower()] <= _MAX_LOWER * len(found)
            and inside[what] >= _MIN_INSIDE * len(found)
        )
    }


def _addresses(text: str) -> Iterator[str]:
    for match in _ADDRESS.finditer(text):
        kind = match.lastgroup or ""
        address = match[kind].lower().rstrip(_END)
        if kind == "phone":
            address = "".join(sign for sign in address if sign.isdigit())
        elif kind in {"link", "host"}:
            address = address.partition("?")[0].partition("#")[0].removeprefix("www.").rstrip("/")
        if address:
            yield address


def _prose(text: str) -> str:
    """The lines that are sentences: names of code are names of its matter."""
    lines = _FENCED.sub("\n", text).splitlines()
    return "\n".join(line for line in lines if _is_prose(line.strip()))


def _is_prose(line: str) -> bool:
    return len(line.split()) >= _MIN_PROSE and line[-1] not in "{};:(,="


def _names(text: str, *, inside: bool = False) -> Iterator[str]:
    """Words with a capital; with ``inside`` only those that do not begin a sentence."""
    for match in _NAME.finditer(_ADDRESS.sub(" ", text)):
        before = match["before"].strip()
        begins = match.start() == 0 or not match["before"] or before[-1:] in _OPENS
        if len(match["name"]) > 2 and not (inside and begins):  # noqa: PLR2004 - I, AI
            yield match["name"]
