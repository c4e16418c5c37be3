"""HTML that data cannot break out of: a string is data unless it is `Markup`.

`element` escapes every plain string it is given, in content and in attributes, so that
forgetting to escape is not possible; forgetting to mark as `Markup` shows as visible tags.
Characters that would act on the reader instead of being read (controls, bidirectional
overrides, zero-width characters, lone surrogates) are replaced by their code points.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_TEXT = 4000
"""Longest string from data that is shown; a longer one is cut and says by how much."""

_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;"))
_VOID = frozenset({"br", "hr", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Node = Markup | str | Iterable["Node"] | None
Attribute = str | int | float | bool | None


def visible(text: str) -> str:
    r"""``text`` on one line, with every character that acts instead of showing made visible.

    >>> visible("model\u202ekcp.pdf\x1b[2J")
    'model[U+202E]kcp.pdf[U+001B][2J'
    """
    text = clipped(text)
    return text if text.isprintable() else "".join(_shown(char) for char in text)


def clipped(text: str, limit: int = MAX_TEXT) -> str:
    """At most ``limit`` characters of ``text``, with the number of those left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit} more characters)"


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    if char == "\n":
        return " ⏎ "
    return (
        " "
        if char.isspace() and char not in "\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"
        else (f"[U+{ord(char):04X}]")
    )


def _escape_html(text: str) -> str:
    # What `html.escape` does; `html` itself brings the table of all entities with it.
    for char, entity in _ENTITIES:
        text = text.replace(char, entity)
    return text


def escape(text: str) -> Markup:
    """``text`` as HTML content: inert, with invisible characters set apart."""
    text = clipped(text)
    if text.isprintable():
        return Markup(_escape_html(text))
    return Markup("".join(_escaped(char) for char in text))


def _escaped(char: str) -> str:
    shown = _shown(char)
    if len(shown) > len(" \N{RETURN SYMBOL} "):
        return f'<span class="ctl">{shown}</span>'
    return _escape_html(shown)


def element(name: str, /, *children: Node, **attributes: Attribute) -> Markup:
    """An element; ``class_`` and the like lose their underscore, inner ones become hyphens.

    An attribute that is ``None`` or ``False`` is left out, ``True`` stands without value;
    drawn paths are `Markup`, for they may be longer than text is shown.

    >>> element("a", "<b>", href="#x", class_="quiet", hidden=True)
    '<a href="#x" class="quiet" hidden>&lt;b&gt;</a>'
    """
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(children)}</{name}>")


def join(nodes: Iterable[Node]) -> Markup:
    """Nodes one after another, strings escaped, ``None`` left out."""
    return Markup("".join(_render(node) for node in nodes))


def _render(node: Node) -> str:
    if node is None:
        return ""
    if isinstance(node, Markup):
        return node
    if isinstance(node, str):
        return escape(node)
    return join(node)


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    key = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {key}"
    text = value if isinstance(value, Markup) else _escape_html(visible(str(value)))
    return f' {key}="{text}"'
