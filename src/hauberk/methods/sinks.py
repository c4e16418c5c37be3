"""Text for the place where it will be read: encoded so that it is shown and never acted on.

Each sink has one contract, and `encode_for_sink` gives text that keeps it:

========== ======================================================= =====================
sink       where the encoded text may stand                        source of the rules
========== ======================================================= =====================
html       content of an element, or an attribute in double quotes OWASP XSS rules 1, 2
           that is no URL, style or event handler
markdown   a paragraph of CommonMark or GitHub's dialect           CommonMark 0.31, 2.4
csv        one whole field, quotes included                        RFC 4180; OWASP CSV
                                                                   injection
terminal   any line of a terminal or log                           ECMA-48, section 5
latex      text mode                                               The TeXbook, chapter 7
shell      one whole word of a POSIX shell, quotes included        POSIX.1 XCU 2.2.2
agent      a message to a language model, as one line of quoted    chat templates' control
           data                                                    tokens
========== ======================================================= =====================

Limits:
    What a person or a model does with the words themselves no encoding can hold: an
    instruction in plain language stays one. Invisible characters are removed everywhere
    because no reader needs them in an answer; text in scripts that need joiners loses them.
"""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Callable, Mapping
from enum import StrEnum


class Sink(StrEnum):
    """Where an answer goes."""

    HTML = "html"
    MARKDOWN = "markdown"
    CSV = "csv"
    TERMINAL = "terminal"
    LATEX = "latex"
    SHELL = "shell"
    AGENT = "agent"


INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""Zero-width, direction-changing, variation and tag characters."""

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Controls of C0 and C1 but tab and line feed, foreign line ends, lone surrogates."""

FORMULA_MARKS = frozenset("=+-@|%\t\r\n\uff0b\uff0d\uff1d\uff20\u2212")
"""What spreadsheets take for the beginning of a formula, full-width forms included."""

_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")
_PUNCTUATION = re.compile(r"([!\"#$%&'()*+,\-./:;=?@\[\\\]^_`{|}~])")
_URL = re.compile(r"https://([a-z0-9.-]{1,253})((?:/[A-Za-z0-9._~/-]{0,500})?)", re.ASCII)
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "@": r"\char64{}",
}
_STRUCTURE = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "<>{}[]|#`:=@/*_~$^&%"})
"""Marks of which tags, tokens, calls, links and markup are made."""


def encode_for_sink(text: str, sink: Sink, *, link_hosts: frozenset[str] = frozenset()) -> str:
    r"""``text`` in a form that ``sink`` shows and does not act on.

    Args:
        text: Any text, hostile or not.
        sink: Where it will be read.
        link_hosts: Hosts in lower case to which https links stay links in Markdown.

    >>> encode_for_sink("<script>", Sink.HTML)
    '&lt;script&gt;'
    >>> encode_for_sink("=1+1", Sink.CSV)
    '"\'=1+1"'
    >>> encode_for_sink("a; rm -rf /", Sink.SHELL)
    "'a; rm -rf /'"
    """
    plain = INVISIBLE.sub("", text)
    if sink is Sink.MARKDOWN:
        return _markdown(plain, link_hosts)
    return _ENCODERS[sink](plain)


def _without_controls(text: str) -> str:
    return CONTROL.sub("\ufffd", text)


def _html(text: str) -> str:
    """Backticks and equals signs too: old parsers end unquoted attributes with them."""
    escaped = html.escape(_without_controls(text), quote=True)
    return escaped.replace("`", "&#96;").replace("=", "&#61;")


def _markdown(text: str, link_hosts: frozenset[str]) -> str:
    """Every punctuation mark is escaped, so no construct of any dialect can begin."""
    pieces, end = [], 0
    plain = " ".join(_without_controls(text).split())
    for match in _URL.finditer(plain) if link_hosts else ():
        if match[1] in link_hosts:
            pieces += [plain_markdown(plain[end : match.start()]), f"<{match[0]}>"]
            end = match.end()
    return "".join([*pieces, plain_markdown(plain[end:])])


def plain_markdown(text: str) -> str:
    """Words that stay words in Markdown; line ends and controls are left to the caller."""
    escaped = _PUNCTUATION.sub(r"\\\1", text)
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def _csv(text: str) -> str:
    line = " ".join(re.split(r"[\r\n\u2028\u2029]+", text))
    line = _without_controls(line)
    first = line.lstrip(" \ufffd\u00a0\u3000")[:1]
    marked = first in FORMULA_MARKS and first != "" and not _NUMBER.fullmatch(line.strip())
    return '"' + ("'" if marked else "") + line.replace('"', '""') + '"'


def _terminal(text: str) -> str:
    return CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(mark, mark) for mark in _without_controls(text))


def _shell(text: str) -> str:
    """A leading hyphen gets a blank before it, since quotes do not keep it from being an option."""
    word = _without_controls(text)
    return shlex.quote(f" {word}" if word.startswith("-") else word)


def _agent(text: str) -> str:
    """A JSON string in which nothing looks like a template's token, a tag or a call."""
    inner = json.dumps(_without_controls(text))[1:-1].translate(_STRUCTURE)
    return f'untrusted data: "{inner}"'


_ENCODERS: Mapping[Sink, Callable[[str], str]] = {
    Sink.HTML: _html,
    Sink.CSV: _csv,
    Sink.TERMINAL: _terminal,
    Sink.LATEX: _latex,
    Sink.SHELL: _shell,
    Sink.AGENT: _agent,
}
