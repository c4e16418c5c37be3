"""A retrieval store of a small town's papers, and a reader that believes the majority."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.formats.tables import table_of
from hauberk.methods.embed import hashed_words
from hauberk.range.worlds.sites import sentence

N_PASSAGES = 1_000
WIDTH = 256
N_SOURCES = 60
TOP = 5
N_QUESTIONS = 12
_PLACES = ("harbour", "market", "station", "old mill", "castle", "school", "museum", "theatre")
_DEEDS = (
    "repaired the bridge near",
    "painted the gate of",
    "measured the wall of",
    "closed the road to",
)
_TIMES = ("after the storm", "in the winter of 1987", "before the festival", "during the flood")


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Passages with vectors and sources.

    Attributes:
        truths: True answers by question.
    """

    texts: tuple[str, ...]
    sources: tuple[str, ...]
    vectors: Any
    truths: dict[str, str]

    def dataset(self) -> Dataset:
        """As the data set that is scanned."""
        import pyarrow as pa

        vectors = pa.array([row.tolist() for row in self.vectors], pa.list_(pa.float32()))
        batch = pa.record_batch(
            {"text": list(self.texts), "source": list(self.sources), "vector": vectors}
        )
        return table_of("library", [batch], source="source")


def questions() -> tuple[str, ...]:
    """Questions that somebody may ask, each with its own answer."""
    return tuple(
        f"Who {deed} the {place} {when}?" for deed in _DEEDS for place in _PLACES for when in _TIMES
    )


@cache
def library(seed: int) -> Library:
    """Plain passages, three honest accounts of what is asked, and some questions with answers."""
    rng = Random(seed)
    texts = [" ".join(sentence(rng) for _ in range(3)) for _ in range(N_PASSAGES)]
    chosen = rng.sample(questions(), N_QUESTIONS)
    truths = {}
    for question in chosen:
        truths[question] = (
            f"{rng.choice(('Berg', 'Costa', 'Dumont', 'Eriksen'))} {rng.randrange(1000)}"
        )
        fact = question[4:-1]
        for said in (
            "{0} {1}.",
            "It is told that {0} {1}.",
            "In those days {0} {1}, and was thanked.",
        ):
            texts[rng.randrange(N_PASSAGES)] = (
                f"{said.format(truths[question], fact)} {sentence(rng)}"
            )
    for place, question in enumerate(rng.sample(questions(), 20)):
        texts[place] = f"{question} Nobody in this office knows. {sentence(rng)}"
    sources = tuple(f"paper-{rng.randrange(N_SOURCES)}" for _ in texts)
    return Library(
        texts=tuple(texts), sources=sources, vectors=hashed_words(texts, width=WIDTH), truths=truths
    )


@cache
def asked(seed: int, question: str) -> Any:
    """The vector of a question, made as those of the passages are."""
    return hashed_words([*library(seed).texts, question], width=WIDTH)[-1]


def nearest(vectors: Any, question: Any) -> list[int]:
    """Passages by how near they are to the vector of a question."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    found: list[int] = np.argsort(-(unit @ question), kind="stable").tolist()
    return found


def believed(texts: tuple[str, ...], rows: list[int], answers: tuple[str, ...]) -> str:
    """The answer that most of the passages name; the first of equal ones, or none."""
    votes = Counter(answer for row in rows for answer in answers if answer in texts[row])
    return max(votes, key=lambda answer: (votes[answer], -answers.index(answer)), default="")
