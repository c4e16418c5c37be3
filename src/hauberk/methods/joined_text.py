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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from hauberk.methods.encoding import normalised, unwrapped, wraps
from hauberk.methods.hints import Hinted, Looked, hinted
from hauberk.methods.instructions import reading, speaks

MAX_PIECES: Final = 64
MAX_JOINED: Final = 4 << 10
"""Characters of one join; longer texts are documents, and judged in their first part."""

_MARKS = re.compile(r"['\"`<>;|&${}\[\]:=\\]|[^\x00-\u024f]|[A-Za-z0-9+/]{12}")
_COMMENT = re.compile(r"/\*.{0,200}?\*/", re.DOTALL)
_BLANKS = re.compile(r"\s+")

_QUOTES = "' \" ` )"
_SHELL_SIGNS = "; | & ` $("


_COMMANDS = (
    "rm cat curl wget nc ncat bash sh zsh id whoami uname python perl ruby php chmod chown touch "
    "mkfifo nslookup ping kill env base64 eval exec sudo ssh scp echo printf ls "
    + " ".join(f"python{digit}" for digit in range(10))
)


def _form(pattern: str, *signs: str, words: str = "") -> Hinted:
    """A form of an attack, in lower case, with the groups of signs, and the words, it needs."""
    form = hinted(pattern, words=(words,) if words else (), signs=signs)
    return replace(form, pattern=re.compile(pattern, re.DOTALL))


_SQL = (
    _form(
        r"\bunion(?: all| distinct)? ?\(? ?select\b.{0,200}\b(?:from|null|\d)", "union", "select"
    ),
    _form(
        r"['\"`)] ?(?:or|and|\|\||&&) ?(?:not )?\(? ?(?:(['\"]?)[\w.]*\1?) ?"
        r"(?:=|<|>|<>|!=|like\b|is\b|in ?\(|between\b)",
        _QUOTES,
        "or and || &&",
        "= < > like is in between",
    ),
    _form(
        r"['\"`);] ?; ?(?:drop|delete|insert|update|alter|truncate|create|exec(?:ute)?|grant|"
        r"shutdown|declare|attach|select|copy)\b",
        ";",
        words="drop delete insert update alter truncate create exec execute grant shutdown "
        "declare attach select copy",
    ),
    _form(
        r"; ?(?:drop|truncate|alter) (?:table|database|schema|view|index)\b",
        ";",
        words="drop truncate alter",
    ),
    _form(r"; ?(?:delete from|insert into|update \w+ set)\b", ";", words="delete insert update"),
    _form(
        r"['\"`)] ?(?:or|and|;|\|\|)?.{0,40}\b(?:sleep|benchmark|pg_sleep|randomblob|load_file|"
        r"xp_cmdshell) ?\(",
        _QUOTES,
        "sleep benchmark randomblob load_file xp_cmdshell",
    ),
    _form(
        r"\bwaitfor delay ?['\"]|\binformation_schema\.|\bsqlite_master\b|\bxp_cmdshell\b",
        "waitfor information_schema. sqlite_master xp_cmdshell",
    ),
    _form(r"\binto (?:out|dump)file ?['\"]", "outfile dumpfile"),
    _form(r"['\"`] ?(?:--|#)(?: |$|-)|['\"`)] ?order by \d+ ?(?:--|#)", _QUOTES, "-- # order"),
)
_PAGE = (
    _form(r"< ?script\b|</ ?script ?>", "<", "script"),
    _form(
        r"< ?(?:iframe|object|embed|svg|math|base|meta|link|form)\b[^>]{0,200}(?:=|>)",
        "<",
        "iframe object embed svg math base meta link form",
    ),
    _form(r"< ?\w+[^>]{0,200}[\s/\"']on\w{3,20} ?=", "<", "on", "="),
    _form(r"\b(?:javascript|vbscript) ?:|\bdata ?: ?text/html", "script text/html", ":"),
)
_SHELL = (
    _form(
        r"[;|&`$](?:(?<=\$)\(|(?<!\$)) ?(?:/(?:usr/)?s?bin/)?(?:rm|cat|curl|wget|nc|ncat|bash|sh|"
        r"zsh|id|whoami|uname|python\d?|perl|ruby|php|chmod|chown|touch|mkfifo|nslookup|ping|kill|"
        r"env|base64|eval|exec|sudo|ssh|scp|echo|printf|ls)\b"
        r"(?: [-/\w$|>\"'{.~]|[`);|&<>]|$)",
        _SHELL_SIGNS,
        words=_COMMANDS,
    ),
    _form(r"\$\{ifs\}|/dev/tcp/|> ?/etc/", "${ifs} /dev/tcp/ /etc/"),
)
_TEMPLATE = (
    _form(
        r"\{\{.{0,80}(?:__\w+__|config\b|\d ?\* ?\d|self\.|request\.|cycler|lipsum).{0,200}\}\}",
        "{{",
        "}}",
    ),
    _form(
        r"\$\{ ?(?:jndi|env|sys|lower|upper|script|t\() ?[:.(]|#\{.{0,40}runtime|"
        r"\$\{\d+ ?\* ?\d+\}",
        "${ #{",
    ),
    _form(r"\{%.{0,40}(?:import|include|for|set)\b", "{%"),
    _form(r"__(?:class|globals|subclasses|import|builtins)__", "__"),
)
_FILES = (
    _form(
        r"(?:\.\.[/\\]){2,}|[/\\]\.\.[/\\]\.\.[/\\]|/etc/(?:passwd|shadow|hosts)\b|/proc/self/",
        "../.. ..\\.. /etc/ /proc/self/",
    ),
    _form(r"\bfile:///|c:\\windows\\", "file:/// c:\\windows\\"),
)
_KINDS: Final = (
    ("a database", _SQL),
    ("a page", _PAGE),
    ("a shell", _SHELL),
    ("a template", _TEMPLATE),
    ("files", _FILES),
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


def payload_among(views: Sequence[tuple[str, bool]]) -> tuple[int, str]:
    """Which of some texts is the first with a payload, and what it would act on.

    The same as `payload_in` of one text after the other, and much sooner where the texts are
    put together from the same words: every word is looked at once, and of all forms of attacks
    those are left that these words could be. Only with them every text is read.

    Args:
        views: Texts, and whether each is read as instructions, too.

    Returns:
        Place and name; the number of texts, and nothing, where none has a payload.
    """
    words = {word for text, _ in views for word in text[:MAX_JOINED].split()}
    judge = _judge(words)
    for place, (text, prose) in enumerate(views):
        found = judge(text, prose) if judge else payload_in(text, prose=prose)
        if found:
            return place, found
    return len(views), ""


def _judge(words: set[str]) -> Callable[[str, bool], str] | None:
    """`payload_in` for texts of these words; none where something may be hidden in them."""
    text = " ".join(words)
    if not (text.isascii() and text.isprintable()) or "/*" in text or wraps(words):
        return None
    looked = Looked(text)
    kinds = [
        (kind, live)
        for kind, forms in _KINDS
        if (live := [form for form in forms if form.may_match(looked)])
    ]
    left = reading(looked)

    def judge(text: str, prose: bool) -> str:  # noqa: FBT001 - as the views are
        if not (kinds or prose):
            return ""
        view = Looked(" ".join(text[:MAX_JOINED].split()))
        for kind, forms in kinds:
            for form in forms:
                if form.is_in(view):
                    return kind
        return "a model that reads it" if prose and left.speaks(view.text, view) else ""

    return judge


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
    looks = _looks(text)
    for kind, forms in _KINDS:
        if any(form.is_in(looked) for form in forms for looked in looks):
            return kind
    return "a model that reads it" if prose and speaks(text) else ""


def _looks(text: str) -> tuple[Looked, ...]:
    """The text on one line, with comments as blanks; and without them, where it has any."""
    flat = Looked(_BLANKS.sub(" ", _COMMENT.sub(" ", text) if "/*" in text else text))
    if "/*" not in text:
        return (flat,)
    return flat, Looked(_BLANKS.sub(" ", _COMMENT.sub("", text)))


def joins(pieces: Sequence[str]) -> Iterator[str]:
    """The ways in which two or more pieces are put together: side by side, and with a blank."""
    used = [piece for piece in pieces[:MAX_PIECES] if piece]
    if len(used) < 2:  # noqa: PLR2004 - one piece is no join
        return
    for order in (used, used[::-1]):
        yield "".join(order)[:MAX_JOINED]
        yield " ".join(order)[:MAX_JOINED]
