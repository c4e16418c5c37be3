"""What pieces of text say once they are put together, and whether that is an attack.

A payload that is cut in pieces is harmless in each of them. `joins` gives the ways in which
systems put the fields of a request, or the requests of a session, together; `payload_in`
takes the disguises off one text and names what would act on a database, a page, a shell, a
template, a file system or a model that reads it. The forms are those that need their marks -
a quote before a tautology, a separator before a command - so that prose about databases is
none.

References:
    OWASP Testing Guide, "Testing for SQL Injection", "HTTP Parameter Pollution". CWE-89, 79,
    78, 22, 1336. Unicode Technical Report 36, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from hauberk.methods.encoding import normalised, unwrapped
from hauberk.methods.instructions import THRESHOLD, instruction_in

MAX_PIECES: Final = 64
MAX_JOINED: Final = 4 << 10
"""Characters of one join; longer texts are documents, and judged in their first part."""

_MARKS = re.compile(r"['\"`<>;|&${}\[\]:=\\]|[^\x00-\u024f]|[A-Za-z0-9+/]{12}")
_COMMENT = re.compile(r"/\*.{0,200}?\*/", re.DOTALL)
_BLANKS = re.compile(r"\s+")

_SQL = (
    r"\bunion(?: all| distinct)? ?\(? ?select\b.{0,200}\b(?:from|null|\d)",
    (
        r"['\"`)] ?(?:or|and|\|\||&&) ?(?:not )?\(? ?(?:(['\"]?)[\w.]*\1?) ?"
        r"(?:=|<|>|<>|!=|like\b|is\b|in ?\(|between\b)"
    ),
    (
        r"['\"`);] ?; ?(?:drop|delete|insert|update|alter|truncate|create|exec(?:ute)?|grant|"
        r"shutdown|declare|attach|select|copy)\b"
    ),
    r"; ?(?:drop|truncate|alter) (?:table|database|schema|view|index)\b",
    r"; ?(?:delete from|insert into|update \w+ set)\b",
    (
        r"['\"`)] ?(?:or|and|;|\|\|)?.{0,40}\b(?:sleep|benchmark|pg_sleep|randomblob|load_file|"
        r"xp_cmdshell) ?\("
    ),
    r"\bwaitfor delay ?['\"]|\binformation_schema\.|\bsqlite_master\b|\bxp_cmdshell\b",
    r"\binto (?:out|dump)file ?['\"]",
    r"['\"`] ?(?:--|#)(?: |$|-)|['\"`)] ?order by \d+ ?(?:--|#)",
)
_PAGE = (
    r"< ?script\b|</ ?script ?>",
    r"< ?(?:iframe|object|embed|svg|math|base|meta|link|form)\b[^>]{0,200}(?:=|>)",
    r"< ?\w+[^>]{0,200}[\s/\"']on\w{3,20} ?=",
    r"\b(?:javascript|vbscript) ?:|\bdata ?: ?text/html",
)
_SHELL = (
    (
        r"(?:[;|&`]|\$\(|\|\||&&) ?(?:/(?:usr/)?s?bin/)?(?:rm|cat|curl|wget|nc|ncat|bash|sh|zsh|"
        r"id|whoami|uname|python\d?|perl|ruby|php|chmod|chown|touch|mkfifo|nslookup|ping|kill|"
        r"env|base64|eval|exec|sudo|ssh|scp|echo|printf|ls)\b"
        r"(?: [-/\w$|>\"'{.~]|[`);|&<>]|$)"
    ),
    r"\$\{ifs\}|/dev/tcp/|> ?/etc/",
)
_TEMPLATE = (
    r"\{\{.{0,80}(?:__\w+__|config\b|\d ?\* ?\d|self\.|request\.|cycler|lipsum).{0,200}\}\}",
    r"\$\{ ?(?:jndi|env|sys|lower|upper|script|t\() ?[:.(]|#\{.{0,40}runtime|\$\{\d+ ?\* ?\d+\}",
    r"\{%.{0,40}(?:import|include|for|set)\b",
    r"__(?:class|globals|subclasses|import|builtins)__",
)
_FILES = (
    r"(?:\.\.[/\\]){2,}|[/\\]\.\.[/\\]\.\.[/\\]|/etc/(?:passwd|shadow|hosts)\b|/proc/self/",
    r"\bfile:///|c:\\windows\\",
)
_KINDS: Final = tuple(
    (kind, tuple(re.compile(form, re.IGNORECASE | re.DOTALL) for form in forms))
    for kind, forms in (
        ("a database", _SQL),
        ("a page", _PAGE),
        ("a shell", _SHELL),
        ("a template", _TEMPLATE),
        ("files", _FILES),
    )
)


def payload_in(text: str, *, prose: bool = True) -> str:
    """What the text would act on, or nothing.

    Args:
        prose: Whether it is read as instructions, too, which costs most.
    """
    for layer in sorted(set(_layers(text[:MAX_JOINED])), key=len):
        found = _acting(layer, prose=prose)
        if found:
            return found
    return ""


def may_act(text: str) -> bool:
    """A cheap look: whether the text has any mark that payloads need, or hides something."""
    return _MARKS.search(text) is not None


def _layers(text: str) -> Iterator[str]:
    plain = normalised(text)
    yield plain
    if not plain.isascii() or len(plain) != len(" ".join(text.split())):
        yield text
    for layer in unwrapped(plain):
        yield layer.text


def _acting(text: str, *, prose: bool) -> str:
    flat = _BLANKS.sub(" ", _COMMENT.sub(" ", text))
    tight = _BLANKS.sub(" ", _COMMENT.sub("", text))
    for kind, forms in _KINDS:
        if any(form.search(flat) or (tight != flat and form.search(tight)) for form in forms):
            return kind
    is_instruction = prose and instruction_in(text).score >= THRESHOLD
    return "a model that reads it" if is_instruction else ""


def joins(pieces: Sequence[str]) -> Iterator[str]:
    """The ways in which two or more pieces are put together: side by side, and with a blank."""
    used = [piece for piece in pieces[:MAX_PIECES] if piece]
    if len(used) < 2:  # noqa: PLR2004 - one piece is no join
        return
    for order in (used, used[::-1]):
        yield "".join(order)[:MAX_JOINED]
        yield " ".join(order)[:MAX_JOINED]
