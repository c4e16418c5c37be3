"""Systems that read a model's answers: small, and each with the one weakness that counts.

They are written from the readers' side - what a page, a renderer, a spreadsheet, a terminal,
TeX, a shell, an agent does with text - and know nothing of how the guard encodes. The shell
is the real one. Web pages are judged by the standard library's parser here; a test shows the
same payloads to a real browser.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hauberk.formats.html_reading import HtmlReader

_CANARY = re.compile("hauberk-canary", re.IGNORECASE)


def acts(sink: str, text: str) -> bool:
    """Whether the reader behind ``sink`` acts on ``text`` instead of showing it.

    Raises:
        KeyError: There is no such reader.
    """
    return READERS[sink](text)


class _Page(HtmlReader):
    """A page with the text as the content of an element; anything but text is an act."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag, attrs
        self.elements += 1


def _page(text: str) -> bool:
    page = _Page()
    page.read(f"<p>{text}</p>")
    return page.elements > 1


_LINKS = re.compile(
    r"!?\[[^\]]*\]\([^)]*\)|!?\[[^\]]*\]\[[^\]]*\]|<[a-z][a-z0-9+.-]*:[^ >]*>|<[a-z/!?][^>]*>"
    r"|\bhttps?://[^\s<]+|\bwww\.[^\s<]+|[\w.+-]+@[\w-]+\.[\w.]+",
    re.IGNORECASE,
)


def _markdown(text: str) -> bool:
    """Links, images, raw HTML and bare addresses; a backslash takes the meaning of a mark."""
    spoken = re.sub(r"\\[!-/:-@\[-`{-~]", "\ue000", text)
    return _LINKS.search(spoken) is not None


def _spreadsheet(text: str) -> bool:
    """One cell of three in one row; a second row, another cell or a formula is an act."""
    rows = list(csv.reader(io.StringIO(f"1,{text},end\r\n", newline="")))
    cells = [cell.strip(" \ufeff") for row in rows for cell in row]
    formulas = [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")]
    return len(rows) != 1 or len(rows[0]) != 3 or any(not _number(cell) for cell in formulas)  # noqa: PLR2004 - before, text, after


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _terminal(text: str) -> bool:
    """Anything below a blank but tab and line feed, DEL and C1 changes the terminal's state."""
    return any(
        (ord(mark) < 0x20 and mark not in "\t\n") or 0x7F <= ord(mark) < 0xA0  # noqa: PLR2004 - ECMA-48
        for mark in text
    )


_TEX_TEXT = frozenset(
    ("textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater", "textbar",
     "textquotedbl", "textasciigrave", "char")
)  # fmt: skip


def _tex(text: str) -> bool:
    """Control words that are no letters' names, mathematics, parameters, double superscripts."""
    words = re.findall(r"\\([A-Za-z]+|.)", text, re.DOTALL)
    if any(word not in _TEX_TEXT and word not in "{}$&#%_" for word in words):
        return True
    left = re.sub(r"\\([A-Za-z]+|.)", "", text, flags=re.DOTALL)
    return re.search(r"[$&#%_^~]", left) is not None


def _shell(text: str) -> bool:
    """The real shell, in an empty folder, told to print the text."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S602 - what shells do with text is the question
            f"printf '%s\\n' {text}",
            shell=True,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
        return any(_CANARY.search(path.name) for path in Path(folder).iterdir())


_CALLS = re.compile(
    r"<\|im_start\|>|<tool_call>|```tool_code|\[INST\]|<<SYS>>|<function=|!\[[^\]]*\]\("
    r"|^\s*(?:#+\s*)?(?:system|instruction|human|assistant)\s*:",
    re.IGNORECASE | re.MULTILINE,
)


def _agent(text: str) -> bool:
    """An agent that obeys tokens, role marks and calls; it does not unquote what is data."""
    if _CALLS.search(text):
        return True
    for match in re.finditer(r"\{.*\}", text, re.DOTALL):
        try:
            value = json.loads(match[0])
        except ValueError:
            continue
        if isinstance(value, dict) and {"name", "arguments"} <= value.keys():
            return True
    return False


READERS: Mapping[str, Callable[[str], bool]] = {
    "html": _page,
    "markdown": _markdown,
    "csv": _spreadsheet,
    "terminal": _terminal,
    "latex": _tex,
    "shell": _shell,
    "agent": _agent,
}
