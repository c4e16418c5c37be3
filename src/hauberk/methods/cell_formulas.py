"""What a spreadsheet would do with the text of one cell.

A text is a formula to a spreadsheet when it begins with one of a few signs. Most texts that
begin so are honest: negative numbers, telephone numbers, handles, list items, smileys, changed
lines of a patch. So a text counts only where what follows the sign is a formula and no prose:
a link to another program, a call of a function that reaches out, or a call of a usual function.

References:
    OWASP, CSV injection. Microsoft, Dynamic Data Exchange; the reference of Excel's functions.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum

MAX_CHARACTERS = 8_192
"""The longest formula that spreadsheets take."""


class CellFormula(IntEnum):
    """What a cell is, from harmless to worst."""

    NONE = 0
    PLAIN = 1
    REACHES_OUT = 2
    RUNS = 3


_START = re.compile(r"[\s\ufeff\u200b\"]*[=+\-@\u2212][\s=+\-@\u2212(]*")
_STRING = re.compile(r'"[^"]*"')
_PROSE = re.compile(r"[^\W\d_]{2,}[ \t]+[^\W\d_]{2,}")
_LINK = re.compile(
    r"\b[a-z][\w.]{0,63}\|\s*"
    r"(?:'(?:[^']|'')*'\s*!\s*[\w$'\"#*]|[^'|!\n]{1,1000}!\s*\$?[a-z]{1,3}\$?\d{1,7}\b)",
    re.IGNORECASE,
)
_RUNS = re.compile(r"\b(?:DDE|DDEAUTO)\s*\(\s*[\"']|\bDDEAUTO\s+[\"'\w]", re.IGNORECASE)
_REACHES = re.compile(
    r"\b(?:WEBSERVICE|HYPERLINK|FILTERXML|RTD|SQL\.REQUEST|REGISTER\.ID"
    r"|IMPORT(?:XML|DATA|HTML|FEED|RANGE))\s*\(",
    re.IGNORECASE,
)
_MACRO = re.compile(r"(?:IMAGE|CALL|EXEC|REGISTER)\s*\(\s*\"[^\"\n]*\"[^\n]*\)\s*", re.IGNORECASE)
_USUAL = re.compile(
    r"(?:SUM|SUMIFS?|SUMPRODUCT|AVERAGE|COUNT|COUNTA|COUNTIFS?|IF|IFERROR|CONCAT|CONCATENATE"
    r"|TEXTJOIN|VLOOKUP|HLOOKUP|XLOOKUP|LOOKUP|INDEX|MATCH|INDIRECT|OFFSET|CHAR|UNICHAR|CELL|INFO"
    r"|NOW|TODAY|RAND|RANDBETWEEN|ROW|COLUMN|QUERY|ARRAYFORMULA|GOOGLEFINANCE|TRANSPOSE)"
    r"\([^\n]*\)[^\n]*"
)
_EVIDENT = re.compile(r"\(\s*\)|\"|\$?\b[A-Z]{1,3}\$?\d{1,7}\b|\(\s*[\d.]+\s*[,;:+*/)&-]")


def read_cell(text: str) -> CellFormula:
    """What a spreadsheet would do with ``text``; `CellFormula.NONE` for nearly all texts."""
    text = text[:MAX_CHARACTERS]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    start = _START.match(text)
    if start is None:
        return CellFormula.NONE
    body = text[start.end() :]
    for form, kind in (
        (_LINK, CellFormula.RUNS),
        (_RUNS, CellFormula.RUNS),
        (_REACHES, CellFormula.REACHES_OUT),
    ):
        found = form.search(body)
        if found and not _is_prose(body[: found.start()] + "name"):
            return kind
    sign = start[0].strip().lstrip('"\ufeff\u200b')[:1]
    if sign == "=" and _MACRO.fullmatch(body):
        return CellFormula.REACHES_OUT
    usual = _USUAL.fullmatch(body.strip().rstrip('"')) is not None
    return CellFormula.PLAIN if usual and _EVIDENT.search(body) else CellFormula.NONE


def may_be_formula() -> str:
    """The pattern, for Arrow's own search, of every text that `read_cell` may name."""
    blank, signs = '\\s\ufeff\u200b\u00a0\u3000"', "=+\\-@\u2212"
    return f"^[{blank}]*[{signs}\uff0b\uff0d\uff1d\uff20\ufe62\ufe63\ufe66\ufe6b]"


def _is_prose(before: str) -> bool:
    """Whether words stand side by side outside of strings, or a line ends: no formula does so."""
    outside = _STRING.sub('""', before)
    return "\n" in outside or _PROSE.search(outside) is not None
