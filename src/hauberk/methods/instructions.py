"""Text that speaks to a machine that reads it: instructions planted in notes, cards and names.

A sentence for people says what was done; a planted one tells whoever reads it, an assistant or
an agent, what to do, often in somebody else's name, against its rules, or unseen. The signs are
families of phrases; one strong family is enough, of the weaker ones two must meet. A linear
model over words adds what the families do not name, and is never enough by a little alone.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from hauberk.methods import instruction_model
from hauberk.methods.encoding import normalised, unwrapped
from hauberk.methods.hints import Hinted, Looked, hinted
from hauberk.methods.sinks import CONTROL, INVISIBLE

MAX_TEXT: Final = 100_000
THRESHOLD: Final = 2
WINDOW: Final = 1_600
OVERLAP: Final = 400
"""Characters that are read together, and again with what follows."""

MIN_WORDS: Final = 4
"""Words below which a text is a name and no sentence."""

MIN_ENCODED: Final = 40
"""Characters of one word below which nothing is encoded in it that could be an order."""

LIKELY: Final = 0.5
ALL_BUT_CERTAIN: Final = 0.9
"""Chances of the linear model that count one and two."""

_READER = (
    r"(?:ai|llm|gpt|chatbot|assistant|agent|copilot|language model|bot|automation|reviewer bot|"
    r"summari[sz]er|model reading this|reading this (?:as|with)|"
    r"if you are an? (?:ai|llm|model|agent|"
    r"assistant)|automated (?:reader|reviewer|system|agent))s?"
)
_RULES = (
    r"(?:instructions?|prompts?|rules?|polic(?:y|ies)|guidelines?|context|directives?|guardrails?|"
    r"messages?|checks?|restrictions?|safety|constraints?|commands?|orders?)"
)
_OVERRIDE = (
    r"(?:ignore|disregard|forget|override|overrule|bypass|discard|supersede|"
    r"neglect|set aside|drop|"
    r"stop following|do not follow|don't follow|no longer (?:follow|apply|obey)|replace)"
)
_EARLIER = r"(?:previous|prior|above|earlier|preceding|existing|all|any|your|other|former|original)"

_READER_WORDS = (
    "ai llm gpt chatbot assistant agent copilot bot automation summariser summarizer "
    "ais llms gpts chatbots assistants agents copilots bots automations summarisers summarizers "
    "language reviewer model reading if automated"
)
_READER_MORE = (
    "ai llm gpt chatbot assistant agent copilot bot automation summariser summarizer "
    "ais llms gpts chatbots assistants agents copilots bots automations summarisers summarizers "
    "model models this you reader readers reviewer reviewers system systems"
)
"""What stands in a name of a reader beside its first word, or is all of it."""

_RULES_WORDS = (
    "instruction prompt rule policy guideline directive guardrail message check restriction "
    "constraint command order instructions prompts rules policies guidelines directives "
    "guardrails messages checks restrictions constraints commands orders context safety"
)
_OVERRIDE_WORDS = (
    "ignore disregard forget override overrule bypass discard supersede neglect set drop stop do "
    "don no replace"
)
_EARLIER_WORDS = (
    "previous prior above earlier preceding existing all any your other former original"
)
"""Words of which one begins, or is, what the patterns of the same name match."""

_STRONG: Final = (
    hinted(
        rf"\b{_OVERRIDE}\b(?!\s+my\b)[^.\n]{{0,40}}\b(?<!\bmy ){_EARLIER}\b"
        rf"[^.\n]{{0,40}}\b{_RULES}\b",
        words=(_OVERRIDE_WORDS, _EARLIER_WORDS, _RULES_WORDS),
    ),
    hinted(
        rf"\b{_EARLIER}\b[^.\n]{{0,30}}\b{_RULES}\b[^.\n]{{0,40}}\b(?:are|"
        rf"is) (?:void|cancell?ed|"
        r"superseded|revoked|obsolete|suspended|overridden|lifted)\b",
        words=(_EARLIER_WORDS, _RULES_WORDS, "are is"),
    ),
    hinted(
        r"<\|?(?:im_start|im_end|system|endoftext|assistant|user)\|?>|\[/?INST\]|<</?SYS>>|"
        r"<tool_call>|<function[=_]|```tool_code",
        signs=("< [inst] [/inst] ```tool_code",),
    ),
    hinted(
        r"(?:^|\n)\W*(?:system|assistant|developer)\s*(?:prompt|message|instruction|note)?\s*:",
        signs=("system assistant developer", ":"),
    ),
    hinted(
        rf"(?:^|\n|\.|!)\W*(?:important|note|attention|notice|hint|dear|hey|hello|to)\W{{1,3}}"
        rf"(?:\w+\W){{0,4}}{_READER}\b",
        words=(
            _READER_WORDS,
            _READER_MORE,
            "important note attention notice hint dear hey hello to",
        ),
    ),
    hinted(
        r"\b(?:ignoriere|vergiss|missachte)\b[^.\n]{0,40}\b(?:anweisung|regel|vorgabe)",
        words=("ignoriere vergiss missachte",),
    ),
    hinted(
        r"\b(?:ignore[zr]?|oublie[zr]?)\b[^.\n]{0,40}\b(?:instructions|consignes|r[eè]gles)",
        words=("ignore ignorez ignorer oublie oubliez oublier",),
    ),
    hinted(
        r"\b(?:ignora|olvida|omite)\b[^.\n]{0,40}\b(?:instrucciones|reglas)",
        words=("ignora olvida omite",),
    ),
    hinted(
        r"\byou are now\b|\bfrom now on,? (?:you|act|answer|reply|respond)\b|"
        r"\bnew (?:system )?"
        r"instructions?\b[^.\n]{0,10}:",
        words=("now new", "are on instruction instructions"),
    ),
    hinted(
        rf"\bwhen (?:an?|the|any) (?:\w+ )?{_READER}\b[^.\n]{{0,60}}\b(?:must|"
        rf"should|shall|will|has to)\b",
        words=("when", _READER_WORDS, _READER_MORE, "must should shall will has"),
    ),
)
_WEAK: Final = (
    hinted(
        rf"\b{_READER}\b",
        words=(
            _READER_WORDS,
            _READER_MORE,
        ),
    ),
    hinted(
        r"\b(?:you|your) (?:must|should|are (?:required|authori[sz]ed|allowed|"
        r"instructed)|task|goal|"
        r"job|role|need to|have to|shall|will now)\b|\b(?:please|"
        r"kindly) (?:approve|send|run|call|"
        r"execute|mark|report|promote|open|fetch|reply|say|answer|forward|include)\b",
        words=(
            "you your please kindly",
            (
                "must should are task goal job role need have shall will approve send run call "
                "execute mark report promote open fetch reply say answer forward include"
            ),
        ),
    ),
    hinted(
        r"\b(?:do not|don't|never|without) (?:mention|tell|telling|reveal|"
        r"revealing|disclose|log|"
        r"logging|ask|asking|notify|notifying|alert|warn|inform|informing|show|question|"
        r"confirmation|verif)",
        words=("do don never without",),
        signs=(
            (
                "mention tell reveal disclos log ask notify alert warn inform show question "
                "confirmation verif"
            ),
        ),
    ),
    hinted(
        r"\b(?:send|post|upload|forward|exfiltrate|e-?mail|curl|wget|fetch|"
        r"transmit|leak|paste|"
        r"export|deliver)\b[^.\n]{0,60}\b(?:tokens?|secrets?|credentials?|"
        r"passwords?|keys?|env|"
        r"environment|variables|https?://|contents?|conversation|history|files?)\b",
        words=(
            (
                "send post upload forward exfiltrate email mail curl wget fetch transmit leak "
                "paste export deliver"
            ),
            (
                "token tokens secret secrets credential credentials password passwords key keys "
                "env environment variables http https content contents conversation history file "
                "files"
            ),
        ),
    ),
    hinted(
        r"\b(?:run|execute|invoke|call|use|open|"
        r"trigger)\b[^.\n]{0,40}\b(?:shell|command|tool|function|"
        r"terminal|bash|python|script|plugin|endpoint|api)\b",
        words=(
            "run execute invoke call use open trigger",
            ("shell command tool function terminal bash python script plugin endpoint api"),
        ),
    ),
    hinted(
        r"\b(?:mark|label|rate|report|declare|treat|consider|classify|record|"
        r"score)\b[^.\n]{0,40}\bas "
        r"(?:approved|passed|safe|compliant|verified|trusted|best|the best|"
        r"reviewed|green|accepted)\b"
        r"|\b(?:approve|promote|deploy|merge|"
        r"accept)\b[^.\n]{0,40}\b(?:immediately|at once|directly|"
        r"unconditionally|without|regardless|automatically|now|straight)\b",
        words=(
            (
                "mark label rate report declare treat consider classify record score approve "
                "promote deploy merge accept"
            ),
            (
                "as immediately at directly unconditionally without regardless automatically now "
                "straight"
            ),
        ),
    ),
    hinted(
        r"\b(?:respond|reply|answer|say|output|print|state|conclude|"
        r"summari[sz]e)\b[^.\n]{0,30}\b(?:only|"
        r"exactly|with|that|always)\b",
        words=(
            ("respond reply answer say output print state conclude summarise summarize"),
            "only exactly with that always",
        ),
    ),
    hinted(
        r"<!--|\[//\]:|\bbegin (?:system|instructions?|prompt)\b|"
        r"\bend of (?:prompt|instructions?|data|"
        r"document|notes?)\b|={3,}|-{5,}|#{3,}",
        signs=("<!-- [//]: begin end === ----- ###",),
    ),
    hinted(
        r"\b(?:admin(?:istrator)?|developer|operator|security team|root|owner|"
        r"maintainer)s? (?:override|"
        r"mode|has approved|have approved|request|says|authori[sz]ed|approved)\b",
        words=(
            (
                "admin admins administrator administrators developer developers operator "
                "operators security root roots owner owners maintainer maintainers"
            ),
            "override mode has have request says authorised authorized approved",
        ),
    ),
    hinted(
        rf"\b{_OVERRIDE}\b(?!\s+my\b)[^.\n]{{0,40}}\b{_RULES}\b",
        words=(_OVERRIDE_WORDS, _RULES_WORDS),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """How much a text speaks to a machine.

    Attributes:
        score: Strong families count two, weak ones, hidden characters and disguises one each,
            the linear model up to two.
        phrase: The first phrase that counted, at most 80 characters.
        is_strong: Whether a strong family is among them.
    """

    score: int
    phrase: str
    is_strong: bool = False


def instruction_in(text: str) -> Instruction:
    """The signs of an instruction in ``text``, whatever its spelling hides.

    Long texts are read in overlapping windows: what is said far apart does not add up.
    """
    raw = text[:MAX_TEXT]
    best = max((_scored(window) for window in windows(raw)), key=_by_score)
    if raw.isascii() and len(raw) < MIN_ENCODED and len(raw.split()) < MIN_WORDS:
        return best
    for disguised in disguises(raw):
        inner = max((_scored(window) for window in windows(disguised)), key=_by_score)
        if inner.score >= THRESHOLD and inner.score >= best.score:
            best = replace(inner, score=inner.score + 1)
    return best


def speaks(text: str) -> bool:
    """Whether the signs in ``text`` are enough for an instruction: `instruction_in`, and sooner."""
    raw = text[:MAX_TEXT]
    if any(_is_enough(window) for window in windows(raw)):
        return True
    if raw.isascii() and len(raw) < MIN_ENCODED and len(raw.split()) < MIN_WORDS:
        return False
    return any(_is_enough(window) for view in disguises(raw) for window in windows(view))


def _is_enough(raw: str) -> bool:
    plain = _plain(raw)
    looked = Looked(plain)
    if any(one.search(looked) for one in _STRONG):
        return True
    score = _is_hiding(raw) + sum(one.search(looked) is not None for one in _WEAK)
    return score >= THRESHOLD or score + _learnt(plain) >= THRESHOLD


@dataclass(frozen=True, slots=True)
class Reading:
    """What is left to look for in texts whose words are all among some known ones.

    Attributes:
        strong: Families that could match in one of them.
        weak: The same.
        is_turned: Whether there are everyday words, turned or backward.
        leet: Words with signs for letters.
        has_lone: Whether there are words of one letter, which spell a word together.
    """

    strong: tuple[Hinted, ...]
    weak: tuple[Hinted, ...]
    is_turned: bool
    leet: frozenset[str]
    has_lone: bool

    def speaks(self, text: str, looked: Looked) -> bool:
        """What `speaks` says of a text that `reading` was made for, on one line."""
        if len(text) > WINDOW:
            return speaks(text)
        if any(one.search(looked) for one in self.strong):
            return True
        score = sum(one.search(looked) is not None for one in self.weak)
        if score >= THRESHOLD or score + _learnt(text) >= THRESHOLD:
            return True
        return self._may_hide(text, looked) and speaks(text)

    def _may_hide(self, text: str, looked: Looked) -> bool:
        return (
            (self.has_lone and _may_be_spaced(looked))
            or (not self.leet.isdisjoint(text.split()) and len(_LEET_WORD.findall(text)) > 1)
            or (self.is_turned and any(_turned(looked)))
        )


def reading(words: Looked) -> Reading:
    """How to read printable texts in ASCII that have these words, and nothing encoded."""
    text = words.text
    return Reading(
        strong=tuple(one for one in _STRONG if one.may_match(words)),
        weak=tuple(one for one in _WEAK if one.may_match(words)),
        is_turned=not words.words.isdisjoint(_TURNED_WORDS | _BACKWARD_WORDS),
        leet=frozenset(word for word in text.split() if _LEET_WORD.search(word)),
        has_lone="_" in text or any(len(run) == 1 for run in words.words),
    )


def _plain(raw: str) -> str:
    if raw.isascii() and raw.isprintable():
        return raw
    return unicodedata.normalize("NFKC", CONTROL.sub(" ", INVISIBLE.sub("", raw)))


def _is_hiding(raw: str) -> bool:
    return not raw.isascii() and len(INVISIBLE.findall(raw)) > 2  # noqa: PLR2004 - one joiner in a name is ordinary


def _learnt(plain: str) -> int:
    chance = instruction_model.score(plain) if len(plain.split()) >= MIN_WORDS else 0.0
    return (chance >= LIKELY) + (chance >= ALL_BUT_CERTAIN)


def _by_score(said: Instruction) -> int:
    return said.score


def windows(text: str) -> Iterator[str]:
    """Overlapping pieces that are read by themselves."""
    starts = range(0, max(1, len(text) - OVERLAP), WINDOW - OVERLAP)
    return (text[start : start + WINDOW] for start in starts)


def _scored(raw: str) -> Instruction:
    plain = _plain(raw)
    looked = Looked(plain)
    strong = [match for one in _STRONG if (match := one.search(looked))]
    weak = [match for one in _WEAK if (match := one.search(looked))]
    hidden = _is_hiding(raw)
    phrases = [match[0].strip()[:80] for match in (*strong, *weak)]
    learnt = _learnt(plain)
    return Instruction(
        score=THRESHOLD * len(strong) + len(weak) + hidden + learnt,
        phrase=phrases[0] if phrases else plain.strip()[:80] if learnt else "",
        is_strong=bool(strong),
    )


_SPACED = re.compile(r"(?:(?<!\w)[^\W_](?:[ .*_-]|[ ]?[|][ ]?)){6,}[^\W_](?!\w)")
_LETTERS = re.compile(_SPACED.pattern.replace("{6,}", "+"))
_COMMON_WORDS = frozenset(
    word
    for words in (
        "the and you your all any this that is are",
        "to of for with not ignore send must",
    )
    for word in words.split()
)
_COMMON = re.compile(rf"\b(?:{'|'.join(sorted(_COMMON_WORDS))})\b", re.IGNORECASE)
_TURNED_WORDS = frozenset(codecs.encode(word, "rot13") for word in _COMMON_WORDS)
_BACKWARD_WORDS = frozenset(word[::-1] for word in _COMMON_WORDS)
MIN_COMMON: Final = 2
"""Everyday words that a turned text must have before it counts as one."""

_LEET = str.maketrans("0134578@$!", "oleastbasi")
_LEET_I = _LEET | {ord("1"): "i"}
_LEET_SIGNS = "0134578@$!"
_MIN_SPACED = 7
_LEET_WORD = re.compile(r"\b(?=\w*[a-zA-Z])(?=\w*[0134578@$!])[\w@$!]{4,}")


def disguises(text: str) -> Iterator[str]:
    """What the text says under its disguises; none where it wears none."""
    layers = list(unwrapped(text))[1:]
    yield from (layer.text for layer in layers)
    if not text.isascii():
        folded = normalised(text)
        if folded != " ".join(text.split()):
            yield folded
    looked = Looked(text)
    if _may_be_spaced(looked) and _SPACED.search(text):
        kept = re.sub(" {2,}", "\x00", text)
        joined = _LETTERS.sub(lambda match: re.sub(r"[ .*_|-]", "", match[0]), kept)
        yield joined.replace("\x00", " ")
    if any(sign in text for sign in _LEET_SIGNS) and len(_LEET_WORD.findall(text)) > 1:
        yield text.translate(_LEET)
        if "1" in text:
            yield text.translate(_LEET_I)
    if len(text) <= WINDOW:
        yield from _turned(looked)


def _may_be_spaced(looked: Looked) -> bool:
    """Whether enough letters stand alone; underscores may stand between them, too."""
    return "_" in looked.text or list(map(len, looked.runs)).count(1) >= _MIN_SPACED


def _turned(looked: Looked) -> Iterator[str]:
    """The text turned by 13 letters, and backward, where that gives everyday words."""
    text, runs = looked.text, looked.runs
    is_plain = text.isascii()
    if not is_plain or sum(run in _TURNED_WORDS for run in runs) >= MIN_COMMON:
        yield from _everyday(codecs.encode(text, "rot13"))
    if not is_plain or sum(run in _BACKWARD_WORDS for run in runs) >= MIN_COMMON:
        yield from _everyday(text[::-1])


def _everyday(view: str) -> Iterator[str]:
    if len(_COMMON.findall(view)) >= MIN_COMMON:
        yield view
