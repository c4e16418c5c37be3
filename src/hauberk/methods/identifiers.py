"""Cells that name a person: mail addresses, card, phone and national numbers, unique columns.

The patterns have no nested repetition and no overlapping alternatives, and texts are cut
into pieces of bounded length first, so the time is linear in the text whatever it holds.
Numbers with a check digit are checked; what is reported is a kind with a place, never the
cell itself.

Limits:
    Names, addresses of streets and free descriptions are not found. Without a check digit
    (phones, many national numbers) a match is a likelihood, told by ``is_certain``.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.formats.rows import cell_texts
from hauberk.formats.tables import features_of

MAX_CELL_CHARACTERS = 100_000
"""Of one cell; what stands behind is not searched, and the caller is told."""

OVERLAP = 512
"""Of two windows of one text: more letters than any identifier has."""

MIN_UNIQUE_ROWS = 50
"""In fewer rows every column may be unique by chance."""

UNIQUE_SHARE = 0.99

COLUMN_SHARE = 0.5
"""Share of cells of one kind from which on the column as a whole is of that kind."""


class IdentifierKind(StrEnum):
    """What a found identifier is."""

    EMAIL = "email"
    CARD = "card"
    IBAN = "iban"
    PHONE = "phone"
    US_SSN = "us-ssn"
    NATIONAL_ID = "national-id"
    IP_ADDRESS = "ip-address"
    UNIQUE = "unique"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """An identifier inside a text.

    Attributes:
        start: First character, from 0.
        end: One behind the last character.
        is_certain: Whether a check digit or the form leaves no doubt.
    """

    kind: IdentifierKind
    start: int
    end: int
    is_certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyingColumn:
    """A column with identifiers in it.

    Attributes:
        share: Share of the known cells that hold one, 0 to 1.
        rows: The first rows that do.
        agreed: Of the cells with digits of this form, the share whose check digits agree, 0 to
            1; numbers that only look like it agree by chance, once in ten or less.
        n_certain: Cells in which the form or a check digit leaves no doubt.
    """

    name: str
    kind: IdentifierKind
    n_cells: int
    share: float
    rows: tuple[int, ...]
    agreed: float = 1.0
    n_certain: int = 0


def find_identifiers(text: str) -> Iterator[Identifier]:
    """All identifiers in ``text``, by place; of overlapping ones the first kind of the list."""
    yield from _searched(text)[0]


def every_identifier(text: str) -> Iterator[Identifier]:
    """All identifiers in a text of any length, which is read in windows that overlap."""
    end = 0
    for start in range(0, max(len(text), 1), MAX_CELL_CHARACTERS - OVERLAP):
        window = text[start : start + MAX_CELL_CHARACTERS]
        is_last = start + len(window) == len(text)
        for found in find_identifiers(window):
            is_cut = found.end == len(window) and not is_last
            if start + found.start >= end and not is_cut:  # the next window has it whole
                end = start + found.end
                yield replace(found, start=start + found.start, end=end)


def mask_identifiers(text: str) -> str:
    """``text`` with every identifier that its form or a check digit proves replaced by its kind.

    >>> mask_identifiers("Write to ana@mill.example, please.")
    'Write to [email removed], please.'
    """
    pieces, end = [], 0
    for found in every_identifier(text):
        if found.is_certain:
            pieces += [text[end : found.start], f"[{found.kind} removed]"]
            end = found.end
    return "".join([*pieces, text[end:]])


def _searched(text: str) -> tuple[list[Identifier], set[IdentifierKind]]:
    """The identifiers, and the kinds of which there was a form that its check denied."""
    taken: list[tuple[int, int]] = []
    found = []
    denied = set()
    for kind, pattern, check in _SEARCHES:
        for match in pattern.finditer(text, 0, MAX_CELL_CHARACTERS):
            sure = check(match.group())
            span = match.span()
            if sure is None:
                denied.add(kind)
            elif all(span[1] <= a or span[0] >= b for a, b in taken):
                taken.append(span)
                found.append(Identifier(kind=kind, start=span[0], end=span[1], is_certain=sure))
    return sorted(found, key=lambda item: item.start), denied


def identifying_columns(dataset: Dataset) -> tuple[IdentifyingColumn, ...]:
    """Columns of ``dataset`` that hold identifiers, or a different value in every row."""
    names = [c.name for c in features_of(dataset) if c.kind in SEARCHED and not c.shape]
    integers = {c.name for c in features_of(dataset) if c.kind is ColumnKind.NUMBER}
    tallies = {name: _Tally() for name in names}
    for batch in dataset.read():
        for name in names:
            tallies[name].update(batch.column(name), is_number=name in integers)
    return tuple(item for name in names for item in tallies[name].result(name))


SEARCHED = (ColumnKind.CATEGORY, ColumnKind.TEXT, ColumnKind.NUMBER, ColumnKind.OTHER)
_KEPT_ROWS = 10
_SHORT_TEXT, _MOST_SEEN = 40, 5_000


class _Tally:
    """Counts of one column."""

    def __init__(self) -> None:
        self._row = self._known = 0
        self._hits: dict[IdentifierKind, list[int]] = {}
        self._counts: Counter[IdentifierKind] = Counter()
        self._certain: Counter[IdentifierKind] = Counter()
        self._denied: Counter[IdentifierKind] = Counter()
        self._different: set[int] | None = set()
        self._seen: dict[str, tuple[list[Identifier], set[IdentifierKind]]] = {}

    def update(self, cells: Any, *, is_number: bool) -> None:
        import pyarrow.types as t

        whole = not is_number or t.is_integer(cells.type)
        for text in cell_texts(cells).to_pylist():
            if isinstance(text, str):
                self._take(text, whole=whole, is_number=is_number)
            self._row += 1

    def _take(self, text: str, *, whole: bool, is_number: bool) -> None:
        self._known += 1
        if self._different is not None:
            self._different.add(hash(text))
            if not whole:
                self._different = None  # measurements are unique without naming anybody
        if is_number and not whole:
            return
        found, denied = self._search(text)
        certain = {item.kind for item in found if item.is_certain}
        kinds = {item.kind for item in found if item.is_certain or not is_number}
        self._certain.update(certain)
        self._denied.update(denied - kinds)
        for kind in kinds:
            self._counts[kind] += 1
            rows = self._hits.setdefault(kind, [])
            rows.extend([self._row] if len(rows) < _KEPT_ROWS else [])

    def _search(self, text: str) -> tuple[list[Identifier], set[IdentifierKind]]:
        """What is in ``text``; short ones recur, and are searched once."""
        if (seen := self._seen.get(text)) is None:
            seen = _searched(text)
            if len(text) <= _SHORT_TEXT and len(self._seen) < _MOST_SEEN:
                self._seen[text] = seen
        return seen

    def result(self, name: str) -> Iterator[IdentifyingColumn]:
        for kind in sorted(self._counts):
            share = self._counts[kind] / self._known
            yield IdentifyingColumn(
                name=name,
                kind=kind,
                n_cells=self._counts[kind],
                share=share,
                rows=tuple(self._hits[kind]),
                agreed=self._counts[kind] / (self._counts[kind] + self._denied[kind]),
                n_certain=self._certain[kind],
            )
        if self._different is not None and self._is_unique():
            yield IdentifyingColumn(
                name=name,
                kind=IdentifierKind.UNIQUE,
                n_cells=self._known,
                share=len(self._different) / self._known,
                rows=(),
            )

    def _is_unique(self) -> bool:
        different = len(self._different or ())
        return self._known >= MIN_UNIQUE_ROWS and different >= UNIQUE_SHARE * self._known


# Checks: True (certain), False (likely), None (no) -----------------------------------


def passes_luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B).

    >>> passes_luhn("4111111111111111"), passes_luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 * (doubled > 9)  # noqa: PLR2004 - the sum of its digits
    return total % 10 == 0


def _card(text: str) -> bool | None:
    digits = re.sub(r"\D", "", text)
    plausible = 13 <= len(digits) <= 19 and digits[0] in "3456" and len(set(digits)) > 1  # noqa: PLR2004 - ISO/IEC 7812
    return True if plausible and passes_luhn(digits) else None


_LENGTHS: Mapping[int, str] = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
"""Letters of an account's number, country by country (ISO 13616, its register): what stands behind
them is no part of it."""


def _of_length(length: int, countries: str) -> str:
    return rf"(?:{countries.replace(' ', '|')})\d{{2}}(?: ?[A-Z0-9]){{{length - 4}}}"


_KNOWN = "|".join(_of_length(*entry) for entry in _LENGTHS.items())
_OTHERS = "|".join(_LENGTHS.values()).replace(" ", "|")
_IBAN = re.compile(
    rf"\b(?=[A-Z]{{2}}\d\d)(?:{_KNOWN}|(?!{_OTHERS})[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]){{11,30}})\b"
)


def _iban(text: str) -> bool | None:
    """ISO 13616: moved to the end and read as a number, the remainder by 97 is 1."""
    compact = text.replace(" ", "")
    if not 15 <= len(compact) <= 34:  # noqa: PLR2004 - ISO 13616
        return None
    number = "".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])
    return True if int(number) % 97 == 1 else None


def _ssn(text: str) -> bool | None:
    """Areas 000, 666 and from 900, group 00 and serial 0000 were never given."""
    area, group, serial = text.split("-")
    never = area in ("000", "666") or area >= "900" or group == "00" or serial == "0000"
    return None if never else True


def _phone(text: str) -> bool | None:
    n_digits = sum(sign.isdigit() for sign in text)
    if not 7 <= n_digits <= 15:  # noqa: PLR2004 - E.164
        return None
    return text.startswith("+")


def _national(text: str) -> bool | None:
    """Numbers whose own check digits agree: Spain, Finland, Poland, Brazil."""
    compact = re.sub(r"[.\-/ ]", "", text).upper()
    return True if any(check(compact) for check in (_dni, _hetu, _pesel, _cpf)) else None


def _dni(text: str) -> bool:
    if not re.fullmatch(r"\d{8}[A-Z]", text):
        return False
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(text[:8]) % 23] == text[8]


def _hetu(text: str) -> bool:
    match = re.fullmatch(r"(\d{6})A?(\d{3})([0-9A-Y])", text)
    if not match:
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(match[1] + match[2]) % 31] == match[3]


def _pesel(text: str) -> bool:
    if not re.fullmatch(r"\d{11}", text) or not 1 <= int(text[2:4]) % 20 <= 12:  # noqa: PLR2004 - months
        return False
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    is_day = 1 <= int(text[4:6]) <= 31  # noqa: PLR2004 - days
    return is_day and sum(w * int(d) for w, d in zip(weights, text, strict=True)) % 10 == 0


def _cpf(text: str) -> bool:
    if not re.fullmatch(r"\d{11}", text) or len(set(text)) == 1:
        return False
    for size in (9, 10):
        weighted = sum(int(d) * (size + 1 - i) for i, d in enumerate(text[:size]))
        if weighted * 10 % 11 % 10 != int(text[size]):
            return False
    return True


def _address(text: str) -> bool | None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return None
    return True


def _address_v6(text: str) -> bool | None:
    """One of those that reach people's machines; documentation and private networks are nobody."""
    try:
        return True if ipaddress.IPv6Address(text).is_global else None
    except ValueError:
        return None


def _always(_text: str) -> bool | None:
    return True


_SEARCHES: tuple[tuple[IdentifierKind, re.Pattern[str], Callable[[str], bool | None]], ...] = (
    (
        IdentifierKind.EMAIL,
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
        _always,
    ),
    (IdentifierKind.IBAN, _IBAN, _iban),
    (IdentifierKind.CARD, re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"), _card),
    (IdentifierKind.US_SSN, re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"), _ssn),
    (
        IdentifierKind.NATIONAL_ID,
        re.compile(r"(?<![\w.-])\d(?:[.\-/ ]?[0-9A-Z]){8,13}(?![\w-])"),
        _national,
    ),
    (
        IdentifierKind.IP_ADDRESS,
        re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"),
        _address,
    ),
    (
        IdentifierKind.IP_ADDRESS,  # version 6: 2000::/3 alone is given out (RFC 4291, section 2.4)
        re.compile(
            r"(?<![\w:.])[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){1,6}"
            r"(?::[0-9A-Fa-f]{1,4}|::)(?!:?\w)"
        ),
        _address_v6,
    ),
    (
        IdentifierKind.PHONE,
        re.compile(
            r"(?<![\w.])(?<!\d[ -])(?:\+\d{1,3}[ .-]?|\(\d{2,4}\) ?|0(?=[1-9]))"
            r"\d{2,4}(?:[ .-]?\d{2,4}){1,4}(?![\w-])"
        ),
        _phone,
    ),
)


def columns_of_kind(
    found: Iterable[IdentifyingColumn], *, share: float = COLUMN_SHARE
) -> tuple[IdentifyingColumn, ...]:
    """Those in which at least ``share`` of the cells are identifiers."""
    return tuple(column for column in found if column.share >= share)
