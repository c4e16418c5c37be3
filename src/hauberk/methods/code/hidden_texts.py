"""What readers do not see: runs of selectors, names of files, comments of pages, active outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.core.artifact import SourceFile
from hauberk.methods.code.project_settings import AGENT, BIDI, INVISIBLE
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

ACTIVE = rule(
    "hidden-instructions/active-output",
    "high",
    "keeps a script in a page or saved output that sends on what the reader's browser holds",
    "Clear the outputs, and find out what wrote them.",
    "CWE-79",
)

_SELECTORS = expression("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")
_IN_NAMES = expression("[\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\U000e0000-\U000e007f]")


def unseen_hits(file: SourceFile) -> Iterator[Hit]:
    """Data in runs of variation selectors, and names of files that show other names."""
    if not file.text.isascii():
        for match in _SELECTORS.finditer(file.text):
            found = f"{len(match[0])} variation selectors in a row"
            yield Hit(INVISIBLE, file.text.count("\n", 0, match.start()) + 1, found)
    yield from name_hits(file.path.as_posix())


def name_hits(name: str) -> Iterator[Hit]:
    """What the name of a file hides."""
    found = None if name.isascii() else _IN_NAMES.search(name)
    if found is not None:
        is_turned = found[0] in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        yield Hit(BIDI if is_turned else INVISIBLE, 1, f"U+{ord(found[0]):04X} in the file's name")


_COMMENT = expression(r"<!--(?P<text>(?:(?!-->)[\s\S]){0,4000})-->")
_TO_MACHINES = expression(
    r"(?i)\b(?:ai|llm|gpt|chatgpt|claude|copilot|gemini|cursor|codex|assistants?|agents?|(?:language|ai) models?|reviewers?|bots?|automated (?:review|scan)\w*)\b"
)
_ORDERS = expression(
    r"(?i)\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|earlier|prior|above|all|any|other|your|these|instructions?|rules?|warnings?|findings?)\b|"
    r"\b(?:mark|treat|consider|report|rate|classify)\b[^.\n]{0,60}\b(?:as )?(?:safe|clean|approved|trusted|benign|passed)\b|"
    r"\b(?:do not|don't|never)\b[^.\n]{0,30}\b(?:report|flag|mention|tell|warn|scan|review)\b|"
    r"\b(?:approve|merge) (?:this|the|every|all)\b|\b(?:run|execute|send|post|upload|fetch|download)\b[^.\n]{0,60}(?:https?://|\bcurl\b|\bwget\b|\.sh\b|\btokens?\b|\bcredentials?\b|\bsecrets?\b|\benv\b)"
)
_PAGES = frozenset(
    {".md", ".mdx", ".markdown", ".html", ".htm", ".xml", ".svg", ".rst", ".txt", ".ipynb", ""}
)
_LINED = expression(r"(?m)^[ \t]*(?:#|//|;|--|\*)[ \t]?(?P<text>[^\n]{20,600})$")


def comment_hits(file: SourceFile) -> Iterator[Hit]:
    """Orders to machines that read along, in comments that people do not see on the page."""
    text = file.text
    if file.path.suffix.lower() in _PAGES and "<!--" in text:
        for match in _COMMENT.finditer(text):
            if _TO_MACHINES.search(match["text"]) and _ORDERS.search(match["text"]):
                line = text.count("\n", 0, match.start()) + 1
                yield Hit(AGENT, line, "an instruction in a comment that readers do not see")
    lowered = text.lower()
    if not any(mark in lowered for mark in _ADDRESSED):
        return
    for match in _LINED.finditer(text):
        if _ADDRESS.match(match["text"]) and _ORDERS.search(match["text"]):
            yield Hit(AGENT, text.count("\n", 0, match.start("text")) + 1, match["text"][:60])


_ADDRESSED = ("ai ", "llm", "assistant", "agent", "copilot", "claude", "reviewer", "gpt")
_ADDRESS = expression(
    r"(?i)^(?:note|important|system|attention|hint|instructions?)?[ :\[(-]*(?:to|for)?[ ]?(?:all |any )?(?:ai|llm|gpt|claude|copilot|assistants?|agents?|automated|language)\b[\w /-]{0,30}[:,;!-]"
)

_SCRIPT = expression(r"(?i)<script\b[^>]{0,300}>(?P<body>[\s\S]{1,4000}?)</script", re.IGNORECASE)
_TAKES = expression(
    r"document\.cookie|localStorage|sessionStorage|_xsrf|xsrf|/api/contents|/api/terminals|Jupyter\.notebook\.kernel|IPython\.notebook\.kernel|navigator\.credentials"
)
_GIVES = expression(
    r"fetch\(|XMLHttpRequest|sendBeacon|new Image\(|\.src\s*=|WebSocket\(|location\s*=|kernel\.execute\("
)
_HANDLER = expression(
    r"(?i)\bon(?:error|load|mouseover|click)\s*=\s*\\?[\"'][^\"']{0,400}(?:document\.cookie|fetch\(|kernel\.execute)"
)


def active_hits(file: SourceFile) -> Iterator[Hit]:
    """Scripts in saved outputs that read what a browser holds and send it on."""
    text = file.text
    if file.path.suffix not in {".ipynb", ".html", ".htm", ".svg", ".md"}:
        return
    if "cript" not in text and "on" not in text:
        return
    plain = text.replace('\\"', '"') if file.path.suffix == ".ipynb" else text
    for match in _SCRIPT.finditer(plain):
        body = match["body"]
        if _TAKES.search(body) and _GIVES.search(body):
            yield Hit(ACTIVE, _line_of(text, body[:40], plain, match.start()), "script")
    for match in _HANDLER.finditer(plain):
        yield Hit(ACTIVE, _line_of(text, match[0][:20], plain, match.start()), match[0][:40])


def _line_of(text: str, mark: str, plain: str, place: int) -> int:
    found = text.find(mark)
    return (text if found >= 0 else plain).count("\n", 0, max(found, 0) or place) + 1
