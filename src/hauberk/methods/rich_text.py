"""Formatted answers that keep their formatting and nothing that acts.

Both writers build their output anew from an allow-list; nothing of the input's own markup is
copied. HTML keeps elements of text without attributes. Markdown keeps headings, lists, quotes,
tables, emphasis and code. Links stay links where their host is allowed, and become their
words where it is not; pictures become their words always, for a picture is loaded without
anybody's click, and its address carries data out.

References:
    WHATWG HTML, section 13.1. CommonMark 0.31 and GitHub Flavored Markdown.
    J. Rehberger, 2023, on pictures as a way out.
"""

from __future__ import annotations

import html
import re
from typing import Final

from hauberk.formats.html_reading import HtmlReader
from hauberk.methods.sinks import CONTROL, INVISIBLE, plain_markdown

MAX_OPEN: Final = 100
"""Elements open at once; deeper ones lose their tags."""


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_KEPT = _listed(
    "b blockquote br caption code dd dl dt em h1 h2 h3 h4 h5 h6 hr i kbd li mark ol p pre q s samp "
    "small strong sub sup table tbody td tfoot th thead tr u ul"
)
_VOID = frozenset({"br", "hr"})
_DROPPED = _listed(
    "applet frameset head iframe math noembed noframes noscript object plaintext "
    "script select style svg template textarea title xmp"
)
"""Elements whose content is no text of the page, or is read by other rules."""

_LINK = re.compile(r"https://([a-z0-9.-]{1,253})((?:/[A-Za-z0-9._~/-]{0,500})?(?:#[\w-]{0,100})?)")


def allowed_link(url: str, hosts: frozenset[str]) -> bool:
    """Whether ``url`` leads to an allowed host, over https and without room for data.

    >>> allowed_link("https://docs.example/a", frozenset({"docs.example"}))
    True
    >>> allowed_link("https://docs.example/?q=secret", frozenset({"docs.example"}))
    False
    """
    match = _LINK.fullmatch(url)
    return match is not None and match[1] in hosts


def rich_html(text: str, hosts: frozenset[str] = frozenset()) -> str:
    """``text`` as a fragment of HTML with elements of text only.

    >>> rich_html("<b>yes</b><script>alert(1)</script><img src=x onerror=alert(1)> <a href='x'>y")
    '<b>yes</b> y'
    """
    writer = _Writer(hosts)
    writer.read(CONTROL.sub("", INVISIBLE.sub("", text)))
    return writer.result()


class _Writer(HtmlReader):
    def __init__(self, hosts: frozenset[str]) -> None:
        super().__init__()
        self._hosts = hosts
        self._pieces: list[str] = []
        self._open: list[str] = []
        self._skipped: list[str] = []

    def result(self) -> str:
        """What has been written, with all elements closed."""
        return "".join([*self._pieces, *(f"</{tag}>" for tag in reversed(self._open))])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self._skipped.append(tag)
        if self._skipped or len(self._open) >= MAX_OPEN:
            return
        href = dict(attrs).get("href") or ""
        if tag == "a" and allowed_link(href, self._hosts):
            self._pieces.append(f'<a href="{html.escape(href)}" rel="noopener noreferrer">')
            self._open.append(tag)
        elif tag in _KEPT:
            self._pieces.append(f"<{tag}>")
            self._open += [] if tag in _VOID else [tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            if tag == self._skipped[-1]:
                self._skipped.pop()
            return
        if tag in self._open:
            while (last := self._open.pop()) != tag:
                self._pieces.append(f"</{last}>")
            self._pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._pieces.append(html.escape(data, quote=True))


# Markdown ------------------------------------------------------------------------------

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([A-Za-z0-9+#_-]{0,30})[^`~]*")
_LEAD = re.compile(r"(?P<indent>[ \t]{0,12})(?P<mark>#{1,6}[ ]|[-*+][ ]|\d{1,9}[.)][ ]|>[ ]?)")
_RULE = re.compile(r" {0,3}(?:-{3,}|\*{3,}|_{3,})[ \t]*")
_TABLE_RULE = re.compile(
    r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*){1,50}\|?[ \t]*"
)
_INLINE = re.compile(
    r"(?P<ticks>`{1,3})(?P<code>[^`\n]{1,2000})(?P=ticks)(?!`)"
    r"|(?P<picture>!?)\[(?P<words>[^\[\]\n]{0,300})\]\(\s*<?(?P<url>[^\s()<>\n]{0,1000})>?[^()\n]{0,300}\)"
    r"|\*\*(?P<strong>[^*\n]{1,1000})\*\*|(?<![\w*])\*(?P<emph>[^*\s][^*\n]{0,1000})\*(?![\w*])"
    r"|(?<!\w)_(?P<under>[^_\s][^_\n]{0,1000})_(?!\w)"
)


def rich_markdown(text: str, hosts: frozenset[str] = frozenset()) -> str:
    r"""``text`` as Markdown that formats and does nothing else.

    >>> rich_markdown("**Yes** ![x](https://evil.example/?q=1)")
    '**Yes** x'
    """
    plain = CONTROL.sub("", INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    lines, written = plain.split("\n"), list[str]()
    place = 0
    while place < len(lines):
        fence = _FENCE.fullmatch(lines[place])
        if fence is None:
            written.append(_line(lines[place], hosts))
            place += 1
            continue
        end = _end_of_fence(lines, place + 1, fence[1])
        written += ["", *_block(lines[place + 1 : end], fence[2]), ""]
        place = end + 1
    return "\n".join(written)


def _end_of_fence(lines: list[str], start: int, mark: str) -> int:
    """The line that closes a block of code, or the end."""
    for place in range(start, len(lines)):
        line = lines[place].strip()
        if len(line) >= len(mark) and set(line) == {mark[0]}:
            return place
    return len(lines)


def _block(lines: list[str], language: str) -> list[str]:
    """A block whose fence is longer than any run of backticks within."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, *lines, fence]


def _line(line: str, hosts: frozenset[str]) -> str:
    if _RULE.fullmatch(line):
        return "\n---\n"
    if _TABLE_RULE.fullmatch(line):
        return line.strip()
    lead = _LEAD.match(line)
    indent = "" if lead is None else " " * min(len(lead["indent"].expandtabs(4)), 12)
    start = "" if lead is None else indent + lead["mark"]
    rest = line.strip() if lead is None else line[lead.end() :].strip()
    cells = rest.split("|")
    if len(cells) > 2:  # noqa: PLR2004 - a row of a table has at least two cells
        return start + "|".join(_inline(cell, hosts) for cell in cells)
    return start + _inline(rest, hosts)


def _inline(text: str, hosts: frozenset[str], depth: int = 0) -> str:
    pieces, end = [], 0
    for match in _INLINE.finditer(text) if depth < 4 else ():  # noqa: PLR2004 - emphasis within
        pieces += [plain_markdown(text[end : match.start()]), _marked(match, hosts, depth + 1)]
        end = match.end()
    return "".join([*pieces, plain_markdown(text[end:])])


def _marked(match: re.Match[str], hosts: frozenset[str], depth: int) -> str:
    if match["code"] is not None:
        code = match["code"].strip()
        return f"`{code}`" if code else ""
    if match["words"] is not None:
        words = _inline(match["words"], hosts, depth)
        is_link = not match["picture"] and allowed_link(match["url"], hosts)
        return f"[{words}](<{match['url']}>)" if is_link else words
    if match["strong"] is not None:
        return f"**{_inline(match['strong'], hosts, depth)}**"
    return f"*{_inline(match['emph'] or match['under'], hosts, depth)}*"
