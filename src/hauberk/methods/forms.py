"""What an answer promises to be, and whether it is.

An answer goes somewhere: to a page, a database, a shell. Its form says where. Three kinds:

* **shown**: any text, encoded so that its reader shows it and nothing else (`sinks`);
* **formatted**: rebuilt from an allow-list of markup (`rich_text`);
* **run**: a statement, an address, a path, a command line, a template, JSON. Encoding cannot
  help here, for the text is meant to act; it is passed on as it is when it keeps the form's
  contract, and withheld when it does not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats import strict_json
from hauberk.methods.read_only_sql import writing_in
from hauberk.methods.rich_text import allowed_link, rich_html, rich_markdown
from hauberk.methods.sinks import Sink, encode_for_sink

MAX_PATH = 255
MAX_COMMAND = 1_000


class Form(StrEnum):
    """Where a text goes, and as what."""

    HTML = "html"
    MARKDOWN = "markdown"
    CSV = "csv"
    TERMINAL = "terminal"
    LATEX = "latex"
    SHELL = "shell"
    AGENT = "agent"
    RICH_HTML = "rich-html"
    RICH_MARKDOWN = "rich-markdown"
    SQL = "sql"
    URL = "url"
    PATH = "path"
    COMMAND = "command"
    TEMPLATE = "template"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What forms allow, by policy.

    Attributes:
        link_hosts: Hosts in lower case that links and addresses may lead to.
        sql_tables: Tables in lower case that statements may read; empty for any.
        commands: Lines of a program, its subcommands, and the options that it may get:
            ``git log --oneline``.
    """

    link_hosts: frozenset[str] = frozenset()
    sql_tables: frozenset[str] = frozenset()
    commands: frozenset[str] = frozenset()


def forms_named(names: Mapping[str, str]) -> dict[str, Form]:
    """Forms by what they are of.

    Raises:
        ValueError: There is no such form.
    """
    return {key: Form(name) for key, name in names.items()}


def shaped(text: str, form: Form, allowed: Allowed) -> str:
    """``text`` in the shown or formatted form; unchanged where it is to be run."""
    if form is Form.RICH_HTML:
        return rich_html(text, allowed.link_hosts)
    if form is Form.RICH_MARKDOWN:
        return rich_markdown(text, allowed.link_hosts)
    if form in _RUN:
        return text
    return encode_for_sink(text, Sink(form), link_hosts=allowed.link_hosts)


def broken(text: str, form: Form, allowed: Allowed) -> str:
    """How ``text`` breaks the contract of a form that is run; empty where it does not."""
    judge = _RUN.get(form)
    if judge is None:
        return ""
    if re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", text
    ):
        return "control or invisible characters"
    return judge(text, allowed)


def _sql(text: str, allowed: Allowed) -> str:
    return writing_in(text, allowed.sql_tables)


def _url(text: str, allowed: Allowed) -> str:
    return "" if allowed_link(text.strip(), allowed.link_hosts) else "an address not allowed"


def _path(text: str, allowed: Allowed) -> str:
    del allowed
    parts = text.split("/")
    is_plain = re.fullmatch(r"[\w. /-]+", text, re.ASCII) is not None and text == text.strip()
    if not is_plain or len(text) > MAX_PATH or any(not part.strip(" .") for part in parts):
        return "a path that leaves its folder, or is none"
    return "a hidden file or an option" if any(part[0] in ".-~" for part in parts) else ""


def _command(text: str, allowed: Allowed) -> str:
    if len(text) > MAX_COMMAND or re.search(r"[^\w@%+=:,./ '-]", text.strip(), re.ASCII):
        return "a sign that shells act on"
    try:
        words = shlex.split(text)
    except ValueError:
        return "an open quote"
    if any(_fits(words, line.split()) for line in allowed.commands):
        return ""
    return "a command not allowed"


def _fits(words: list[str], line: list[str]) -> bool:
    """Whether a command is one that ``line`` allows."""
    fixed = [word for word in line if not word.startswith("-")]
    options = {word for word in line if word.startswith("-")}
    if words[: len(fixed)] != fixed:
        return False
    return all(_is_argument(word, options) for word in words[len(fixed) :])


def _is_argument(word: str, options: set[str]) -> bool:
    if word.startswith("-"):
        return word in options or (word.startswith("--") and word.partition("=")[0] in options)
    return bool(word) and not word.startswith(("/", "~")) and ".." not in word.split("/")


_TEMPLATE = re.compile(r"\{\{|\{%|\{#|\$\{|\$\(|#\{|<%|%>|\[\[|@\{|\*\{|~\{|</?#|<\?")


def _template(text: str, allowed: Allowed) -> str:
    del allowed
    return "a sign of a template" if _TEMPLATE.search(text) else ""


def _json(text: str, allowed: Allowed) -> str:
    del allowed
    try:
        strict_json.decode(text.encode("utf-8", "replace"), strict_json.JsonLimits())
    except ArtifactError as error:
        return f"no strict JSON: {error.rule}"
    return ""


_RUN: Mapping[Form, Callable[[str, Allowed], str]] = {
    Form.SQL: _sql,
    Form.URL: _url,
    Form.PATH: _path,
    Form.COMMAND: _command,
    Form.TEMPLATE: _template,
    Form.JSON: _json,
}


def broken_arguments(value: Any, forms: Mapping[str, Form], allowed: Allowed) -> str:
    """How the arguments of a call break the forms of their texts; empty where they do not."""
    if type(value) is not dict:
        return "arguments that are no object" if forms else ""
    for name, form in forms.items():
        text = value.get(name, "")
        if type(text) is not str:
            return f"{name}: no text"
        found = broken(text, form, allowed) if text else ""
        if found:
            return f"{name}: {found}"
    return ""
