"""What a page says to machines and not to its readers.

Three signs, each cheap: text that the page hides, signs that no reader sees inside of words,
and sentences that address a model instead of a person. Each alone is found on honest pages
(menus are hidden, emoji hold joiners, articles quote attacks), so each gives a weight, and
only strong or joint ones decide.

References:
    Greshake et al. (2023), Not what you've signed up for: compromising real-world applications
    with indirect prompt injection. Carlini et al. (2024), Poisoning web-scale training datasets
    is practical.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hauberk.formats.html_reading import HtmlReader
from hauberk.methods.encoding import hidden_signs, hidden_text, normalised, unwrapped
from hauberk.methods.takeovers import ENOUGH, takeover

MAX_CHARACTERS = 400_000
"""Of one page; what stands behind is not read, and pages are seldom longer."""

MAX_SAID = 50_000
"""Of the text of one page that is searched for sentences to a model."""

MAX_DEPTH = 256
"""Open elements that are remembered; deeper ones count as their parents."""

_HTML = re.compile(r"<(?:!doctype html|html|head|body|div|p|span|a|table)\b", re.IGNORECASE)
_VOID = frozenset(
    "area base br col embed hr img input link meta source track wbr".split()  # noqa: SIM905 - a list of words
)
_SPOKEN = re.compile(r"(?:alt|title|content|placeholder|summary|label|value|aria-\w+|data-[\w-]+)$")
_MIN_SPOKEN = 4
_READ_BY_PROGRAMS = frozenset({"title", "noscript", "template"})
_UNSEEN = frozenset({"script", "style", "template", "noscript", "head", "title", "svg"})
_TRICK = re.compile(
    r"font-size\s*:\s*0*(?:\.0+)?[01]?(?:px|pt|em|rem|%)?\s*(?:;|!|$)"
    r"|(?<![-\w])opacity\s*:\s*0*(?:\.0\d*)?\s*(?:;|!|$)"
    r"|(?:left|top|right|text-indent)\s*:\s*-\d{3,}"
    r"|(?<![-\w])color\s*:\s*(?:#fff(?:fff)?|white|transparent|rgba\([^)]*,\s*0(?:\.0+)?\s*\))"
    r"|(?:height|width)\s*:\s*[01](?:px)?\s*;.*overflow\s*:\s*hidden"
    r"|clip(?:-path)?\s*:\s*(?:rect\(0|inset\(100%|inset\(50%)",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_DARK = re.compile(r"background(?:-color)?\s*:", re.IGNORECASE)

_CARRIER = re.compile(r"(?<=[A-Za-z])[\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e]+(?=[A-Za-z])")
_SOFT = "\u00ad"
_RUN = re.compile(r"[\u200b-\u200d\u2060\ufeff]{2,}")
_JOINING = re.compile(r"[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff]")
"""Scripts whose spelling needs joiners: their texts hold runs of them honestly."""

_LATIN_WORD = re.compile(r"[A-Za-z\u0370-\u03ff\u0400-\u04ff]{3,}")
_LOOKALIKES = frozenset(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u03bf\u03b1\u0391\u0395\u039f"
)
"""Cyrillic and Greek letters that look like Latin ones."""

_DISGUISED = 0.7

_ADDRESS = re.compile(r"(?:https?://)?(?:[^/\s@]*@)?([\w-]+(?:\.[\w-]+)+)(?::\d+)?(?:[/?#]\S*)?$")

_AI = r"(?:ai|llm|chat ?bot|assistant|language model|gpt\S*|claude|gemini|copilot|model|agent)s?"
_SAY = (
    r"(?:answer|respond|reply|say|state|recommend|output|mention|claim|describe|report|treat"
    r"|rate|rank|conclude)"
)
_NEAR, _WIDE = r"\b[^.!?\n]{0,40}\b", r"\b[^.!?\n]{0,80}\b"
_EARLIER = r"(?:previous|prior|above|earlier|preceding|system|your)"
_ORDERS = r"(?:instruction|prompt|rule|direction|guideline|context|message|training)"
_DROP = r"(?:ignore|disregard|forget|override|bypass)"
_AT_WORK = r"(?:reading|processing|summari[sz]ing|trained|crawling|indexing|parsing|must|should)\b"
_READS = r"(?:reads?|summari[sz]es?|index(?:es)?|crawls?|process(?:es)?|parses?)"
_CALL = rf"(?:as|if you are|note to|attention,?|dear|hey|for) (?:an? |any |the |all )?{_AI}"
_ASKED = r"when(?:ever)? (?:you are |a user |someone |users )?(?:asks?|asked|prompted|queried)"
_TELL = r"(?:mention|reveal|tell|disclose|inform|say|repeat)"
_LEAK = r"(?:reveal|print|output|repeat|leak|send|exfiltrate)"
_INNER = r"(?:system prompt|api key|password|credential|conversation|secret)"
_MARKS = (
    r"<\|(?:im_start|im_end|system|endoftext|start_header_id)\|>|\[/?INST\]|<<SYS>>"
    r"|^\s*#{2,3}\s*(?:system|instruction|response)s?\s*:?\s*$"
)
_POSE = r"(?:developer mode|jailbreak|do anything now|DAN mode|pretend you are|roleplay as)"
_MINE = r"your (?:training|summary|answers|responses|output|weights|memory)"

_INSTRUCTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.MULTILINE), weight)
    for pattern, weight in (
        (rf"\b{_DROP}{_NEAR}{_EARLIER}{_NEAR}{_ORDERS}", 0.9),
        (r"\b(?:new|updated|hidden|secret|real) (?:system )?(?:instruction|prompt)s?\b\s*:", 0.5),
        (r"\byou (?:are|must|will) (?:now|from now on|no longer) (?:an?|the|act|in)\b", 0.3),
        (rf"\byou (?:must|should|shall|are instructed to){_NEAR}{_SAY}\b", 0.35),
        (rf"\b{_CALL}{_NEAR}{_AT_WORK}|\b{_CALL}\s*:|^\W*{_AI}\s*:\s", 0.6),
        (
            rf"\b(?:who|what)(?:so)?ever {_READS}{_WIDE}(?:must|should|shall|is to){_NEAR}{_SAY}\b",
            0.5,
        ),
        (rf"\b{_AI}{_NEAR}(?:must|should|shall|always|never){_NEAR}{_SAY}\b", 0.5),
        (rf"\b{_ASKED}{_WIDE}{_SAY}\b", 0.6),
        (rf"\b(?:always|only|instead|simply) {_SAY}\b", 0.3),
        (rf"\bfrom now on{_NEAR}{_SAY}\b", 0.4),
        (rf"\bdo not {_TELL}{_NEAR}(?:user|reader|instruction|prompt)s?\b", 0.5),
        (rf"\b{_LEAK}{_NEAR}{_INNER}", 0.6),
        (_MARKS, 0.85),
        (r"^\s*(?:system|assistant)\s*:\s*\S", 0.4),
        (rf"\b(?:in|into|for|as) {_MINE}\b", 0.3),
        (rf"\b{_POSE}\b", 0.4),
    )
)
_ABOUT = re.compile(
    r"prompt[- ]injection|jailbreak(?:s|ing) (?:are|is|attack)|adversarial (?:prompt|attack)"
    r"|red[- ]team",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What was seen in one page, each from 0 (nothing) to 1 (certain).

    Attributes:
        instruction: Sentences that address a model.
        disguised: Latin words with letters of another script that look alike.
        hidden: Text that a reader of the page does not see, by tricks of its style.
        invisible: Signs that nobody sees inside of words, or spelt in the tag alphabet.
        shown: What a reader sees, for the comparison of pages.
        why: In words, for the report; never the text itself.
    """

    instruction: float
    hidden: float
    invisible: float
    shown: str
    why: tuple[str, ...]
    disguised: float = 0.0

    @property
    def score(self) -> float:
        """The chance that something was planted, taking the signs as independent."""
        left = (1 - self.instruction) * (1 - self.hidden) * (1 - self.invisible)
        return 1 - left * (1 - self.disguised)


def signs(text: str) -> Signs:
    """The signs of planting in a page or a plain text."""
    text = text[:MAX_CHARACTERS]
    page = _page(text) if _HTML.search(text[:20_000]) else _Page(shown=text)
    open_, trick, folded = page.shown, " ".join(page.tricks), " ".join(page.folded)
    in_trick = instruction(trick)
    in_folded = instruction("\n".join([folded, *page.comments, *page.attributes]))
    shown = instruction(open_)
    said = max(shown, min(1.0, in_trick * 1.6), min(1.0, in_folded * 1.2))
    hidden = 0.0
    if len(trick.split()) > 3:  # noqa: PLR2004 - some words
        hidden = 0.75 if len(trick) < len(open_) else 0.85
    invisible, disguised = _invisible(text), _disguised(open_)
    why = [
        words
        for words, is_so in (
            (_ADDRESSED, said >= _TELLING),
            ("text hidden by its style", hidden > 0),
            ("invisible signs inside of words", invisible > 0),
            ("letters of another script inside of words", disguised > 0),
        )
        if is_so
    ]
    return Signs(
        instruction=said,
        hidden=hidden,
        invisible=invisible,
        shown=open_,
        why=tuple(why),
        disguised=disguised,
    )


def signs_in_turns(said: Sequence[tuple[str, str]]) -> Signs:
    """The signs of planting in messages between people and a model.

    Who writes to a model addresses it, and its operator gives it orders: only what takes a model
    over counts in what people and models say, and only what is hidden in what operators say. What
    tools and documents say is read as a page.
    """
    seen = [_turn_signs(who, words) for who, words in said]
    people = (one.shown for one, (who, _) in zip(seen, said, strict=True) if who not in _OPERATORS)
    return replace(joined(*seen), shown="\n".join(people))


def host_of(text: str) -> str:
    """The host of a web address in lower case; nothing where ``text`` is none.

    >>> host_of("https://News.example:8080/a?b"), host_of("news of the day")
    ('news.example', '')
    """
    match = _ADDRESS.match(text.strip())
    return match.group(1).lower() if match else ""


def joined(*parts: Signs) -> Signs:
    """The strongest sign of each kind in several texts of one row."""
    return Signs(
        instruction=max((one.instruction for one in parts), default=0.0),
        hidden=max((one.hidden for one in parts), default=0.0),
        invisible=max((one.invisible for one in parts), default=0.0),
        disguised=max((one.disguised for one in parts), default=0.0),
        shown="\n".join(one.shown for one in parts),
        why=tuple(dict.fromkeys(word for one in parts for word in one.why)),
    )


_OPERATORS = frozenset({"system", "developer"})
_DOCUMENTS = frozenset({"tool", "function", "ipython", "context", "document", "observation"})
_TAKEN_OVER = "a turn that takes the model over"


def _turn_signs(who: str, words: str) -> Signs:
    found = signs(words)
    if who in _DOCUMENTS:
        return found
    said = 0.0
    if who not in _OPERATORS and takeover(words) >= ENOUGH:
        said = _COMMANDING
    why = tuple(word for word in found.why if word != _ADDRESSED)
    return replace(found, instruction=said, why=why + ((_TAKEN_OVER,) if said else ()))


_TELLING = 0.4
_COMMANDING = 0.8
_ADDRESSED = "sentences that address a model"


def instruction(text: str) -> float:
    """How surely ``text`` speaks to a model, 0 to 1; layers of encoding are taken off."""
    if not text.strip():
        return 0.0
    best = 0.0
    for layer in unwrapped(text[:MAX_SAID]):
        plain = layer.text if not layer.path else f"{layer.text}\n"
        weight = _weighed(plain) if layer.path else max(_weighed(text), _weighed(normalised(text)))
        best = max(best, min(1.0, weight * (1.3 if layer.path else 1.0)))
    return best


def _weighed(text: str) -> float:
    left = 1.0
    for pattern, weight in _INSTRUCTIONS:
        if pattern.search(text):
            left *= 1 - weight
    found = 1 - left
    # Who writes about such attacks quotes them.
    return found * 0.5 if _ABOUT.search(text) else found


def _disguised(text: str) -> float:
    """Words of mostly Latin letters in which some only look so."""
    for match in _LATIN_WORD.finditer(text[:MAX_SAID]):
        word = match.group()
        latin = sum(letter.isascii() for letter in word)
        alike = sum(letter in _LOOKALIKES for letter in word)
        if alike and latin >= alike and latin + alike == len(word):
            return _DISGUISED
    return 0.0


def _invisible(text: str) -> float:
    if hidden_text(text):
        return 0.97
    if _RUN.search(text) and not _JOINING.search(text):
        return 0.9
    carried = [m.group() for m in _CARRIER.finditer(text)]
    inside = sum(not set(run) <= {_SOFT} for run in carried)
    long = any(len(run) > 3 for run in carried)  # noqa: PLR2004 - a code in signs
    if long or inside >= 3:  # noqa: PLR2004 - more than a slip of an editor
        return 0.9
    many = hidden_signs(text) - text.count(_SOFT) - text.count("\ufe0f") - text.count("\u200d")
    return 0.6 if inside and many > 5 else 0.0  # noqa: PLR2004 - some


# Pages -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Page:
    """The texts of a page by how they are shown.

    Attributes:
        tricks: Text made unreadable: of no size, without colour, outside of the page.
        folded: Text that is not displayed, as menus are.
        comments: What the author of the markup noted.
        attributes: Sentences in place of pictures, on pointing, for programs that read aloud or
            index: crawlers keep them.
    """

    shown: str = ""
    tricks: list[str] = field(default_factory=list)
    folded: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)


class _Reader(HtmlReader):
    def __init__(self) -> None:
        super().__init__()
        self.page = _Page()
        self.parts: list[str] = []
        self.open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.attributes += [
            value.strip()
            for name, value in attrs
            if value and _SPOKEN.match(name) and len(value.split()) >= _MIN_SPOKEN
        ]
        if tag in _VOID or len(self.open) >= MAX_DEPTH:
            return
        above = self.open[-1][1] if self.open else "shown"
        self.open.append((tag, above if above != "shown" else _state(tag, dict(attrs))))

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self.open) - 1, -1, -1):
            if self.open[place][0] == tag:
                del self.open[place:]
                return

    def handle_data(self, data: str) -> None:
        state = self.open[-1][1] if self.open else "shown"
        if not data.strip():
            return
        if state == "unseen":
            if self.open[-1][0] in _READ_BY_PROGRAMS:
                self.page.folded.append(data.strip())
            return
        {"shown": self.parts, "trick": self.page.tricks, "folded": self.page.folded}[state].append(
            data.strip()
        )

    def handle_comment(self, data: str) -> None:
        self.page.comments.append(data)


def _state(tag: str, attrs: dict[str, str | None]) -> str:
    if tag in _UNSEEN:
        return "unseen"
    style = attrs.get("style") or ""
    if _TRICK.search(style) and not (_DARK.search(style) and "white" in style.lower()):
        return "trick"
    is_folded = "hidden" in attrs or _HIDDEN.search(style)
    return "folded" if is_folded else "shown"


def _page(text: str) -> _Page:
    reader = _Reader()
    reader.read(text)
    reader.page.shown = "\n".join(reader.parts)
    return reader.page
