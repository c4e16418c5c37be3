"""Answers that act where they are read: see `ActiveOutputs`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.ports import ClientState
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats import v2
from hauberk.formats.html_reading import HtmlReader
from hauberk.formats.v2 import Datatype
from hauberk.methods.sinks import CONTROL, FORMULA_MARKS, INVISIBLE, Sink

UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveOutputs(Watch):
    r"""Answers that carry active content for the place where they will be read.

    The exchange names its sink. Every text of the answer is read as that sink would read it:
    HTML by a parser, a shell word by a shell's rules, a cell by a spreadsheet's, a terminal
    line by its control characters. Text that has been through `methods.sinks` shows nothing
    active; what still does is withheld.

    Limits:
        An exchange without a sink is not judged, for JSON itself acts nowhere. Instructions
        in plain language to an agent are found by a few well-known phrases only; they are a
        matter of probability, and of what the agent may do.

    Args:
        link_hosts: Hosts to which https links in Markdown are allowed.

    Example:
        >>> from hauberk.core.artifact import Exchange
        >>> answer = b'{"model_name":"m","outputs":[{"name":"t","datatype":"BYTES",'
        >>> answer += b'"shape":[1],"data":["<img src=x onerror=alert(1)>"]}]}'
        >>> one = Exchange(name="m", principal="p", at=0, request=b"", response=answer, sink="html")
        >>> ActiveOutputs().observe(one, None).reason
        'active content for html: a tag'

    References:
        OWASP, "Cross Site Scripting Prevention" and "CSV Injection". CommonMark 0.31.
        ECMA-48 section 5. POSIX.1-2017 XCU 2.2.
    """

    title: ClassVar[str] = "Answers that act where they are read"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("OU-4"),)
    subject: ClassVar[type] = Exchange

    link_hosts: frozenset[str] = frozenset()

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Judge the answer of one exchange; keeps no state."""
        del state
        if exchange.response is None or exchange.sink is None:
            return None
        try:
            sink = Sink(exchange.sink)
            texts = list(_texts(exchange.response))
        except (ArtifactError, ValueError):
            return _signal(f"unreadable answer for {exchange.sink[:20]}")
        found = next((why for text in texts if (why := self.active(text, sink))), None)
        return _signal(f"active content for {sink}: {found}") if found else None

    def active(self, text: str, sink: Sink) -> str:
        """What in ``text`` would act in ``sink``, or nothing."""
        if INVISIBLE.search(text):
            return "invisible characters"
        if sink is Sink.MARKDOWN:
            return _in_markdown(text, self.link_hosts)
        return _READERS[sink](text)


def _signal(reason: str) -> Signal:
    return Signal(
        score=1.0,
        action=Action.BLOCK,
        reason=reason,
        severity=Severity.HIGH,
        public="the answer is withheld: it is not safe where it would be read",
        status=UNPROCESSABLE,
        evidence=Evidence(statistic="active content"),
    )


def _texts(response: bytes) -> Iterator[str]:
    for tensor in v2.parse_response(response).outputs:
        if tensor.datatype is Datatype.BYTES:
            yield from tensor.values


# One reader per sink; each gives what would act, or the empty text ---------------------


class _Tags(HtmlReader):
    """Notes whether anything but text comes by."""

    def __init__(self) -> None:
        super().__init__()
        self.found = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag, attrs
        self.found = "a tag"

    def handle_endtag(self, tag: str) -> None:
        del tag
        self.found = "a tag"

    def handle_comment(self, data: str) -> None:
        del data
        self.found = "a comment"

    def handle_decl(self, decl: str) -> None:
        del decl
        self.found = "a declaration"

    def handle_pi(self, data: str) -> None:
        del data
        self.found = "an instruction"


_MARKUP = re.compile(r"<[A-Za-z/!?]")
_SCRIPT_URL = re.compile(r"^\s*(javascript|vbscript|data)\s*:", re.IGNORECASE)


def _in_html(text: str) -> str:
    parser = _Tags()
    parser.read(text)
    if parser.found or _MARKUP.search(text):
        return parser.found or "an open tag"
    if _SCRIPT_URL.search(text):
        return "a script URL"
    return "a quote that could end an attribute" if '"' in text or "`" in text else ""


_ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]")
_MARKS = re.compile(r"[\[\]!*_`<>#|~\\]|&[#a-zA-Z]|\n\s*(?:[-+=]|\d+[.)])|^\s*(?:[-+=]|\d+[.)]\s)")
_AUTOLINK = re.compile(r"(?:https?|ftp)://|www\.|mailto:|[\w.+-]+@[\w-]+\.", re.IGNORECASE)
_ANGLED = re.compile(r"<https://([a-z0-9.-]+)(?:/[A-Za-z0-9._~/-]*)?>", re.ASCII)


def _in_markdown(text: str, link_hosts: frozenset[str]) -> str:
    kept = _ANGLED.sub(lambda match: "" if match[1] in link_hosts else match[0], text)
    bare = _ESCAPED.sub("", kept).replace("&lt;", "").replace("&gt;", "")
    if _AUTOLINK.search(bare):
        return "a link"
    return "markup" if _MARKS.search(bare) else ""


def _in_csv(text: str) -> str:
    """Judged as a raw piece of a line: a field that ends early begins another one."""
    if re.search(r"[\r\n]", text):
        return "a line end"
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    inner = text[1:-1] if quoted else text
    if '"' in inner.replace('""', "") or (not quoted and re.search("[,;\t]", inner)):
        return "the end of a field"
    first = inner.strip(" \u00a0\u3000")[:1]
    is_number = re.fullmatch(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?", inner.strip())
    return "a formula" if first and first in FORMULA_MARKS and not is_number else ""


def _in_terminal(text: str) -> str:
    return "control characters" if CONTROL.search(text) else ""


_LATEX_HARMLESS = re.compile(
    r"\\(?:textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar"
    r"|textquotedbl|textasciigrave)\{\}|\\char64\{\}|\\[{}$&#%_]"
)


def _in_latex(text: str) -> str:
    left = _LATEX_HARMLESS.sub("", text)
    return "a command or special character" if re.search(r"[\\{}$&#%_^~]", left) else ""


def _in_shell(text: str) -> str:
    """Anything but exactly one word without expansion acts."""
    if "\x00" in text:
        return "a NUL"
    unquoted = re.sub(r"'[^']*'|\"'\"", "", text)
    if re.search(r"[^\w@%+=:,./-]", unquoted, re.ASCII):
        return "a character that shells act on"
    try:
        words = shlex.split(text)
    except ValueError:
        return "an open quote"
    if len(words) != 1:
        return "several words"
    return "an option" if words[0].startswith("-") else ""


_TOKENS = re.compile(
    r"<\|[^|]{0,40}\|>|\[/?INST\]|<</?SYS>>|</?(?:tool|function|system|assistant|user)\w*"
    r"|```|\"(?:name|tool|function|arguments|parameters)\"\s*:|!\[|\]\(",
    re.IGNORECASE,
)
_ROLES = re.compile(
    r"^\s*(?:#+\s*)?(?:system|assistant|user|developer|human|instruction)s?\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:previous|prior|above|earlier|all)\b"
    r".{0,40}\b(?:instructions?|rules?|prompts?|messages?)\b",
    re.IGNORECASE | re.DOTALL,
)
_AS_DATA = re.compile(r'untrusted data: "[^"\\<>{}\[\]|#`\n]*(?:\\[^\n][^"\\<>{}\[\]|#`\n]*)*"')


def _in_agent(text: str) -> str:
    if _AS_DATA.fullmatch(text):
        return ""
    if _TOKENS.search(text):
        return "a token, tag, call or link"
    if _ROLES.search(text):
        return "a change of roles"
    return "an order" if _ORDERS.search(text) else ""


_READERS: Mapping[Sink, Callable[[str], str]] = {
    Sink.HTML: _in_html,
    Sink.CSV: _in_csv,
    Sink.TERMINAL: _in_terminal,
    Sink.LATEX: _in_latex,
    Sink.SHELL: _in_shell,
    Sink.AGENT: _in_agent,
}
