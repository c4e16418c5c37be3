"""SV-7: passages that are planted in a retrieval store, and vectors that are edited."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.dataset.plant_passages import PlantPassages
from hauberk.controls.dataset.poisoned_passages import PoisonedPassages
from hauberk.core.artifact import Dataset
from hauberk.core.finding import RowScores
from hauberk.core.threat import ThreatId
from hauberk.methods import rewrite
from hauberk.methods.passages import by_question, diverse, edited, rarity, seal
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.libraries import N_QUESTIONS, TOP, asked, believed, library, nearest

SV_7 = ThreatId("SV-7")
CONTROL = PoisonedPassages()
ATTACK = PlantPassages()
N_PLANTED = 5
WAYS = ("bait", "hub")


@cache
def _twin(number: int, way: str, place: int) -> tuple[Dataset, tuple[int, ...], str]:
    """The attacked twin of a store, its planted rows and the planted answer."""
    attack = PlantPassages(question=_question(number, place), ways=(way,))
    attacked = attack.apply(library(number).dataset(), Random(number * 100 + place))
    return attacked.subject, attacked.rows, attacked.truth["answer"]


def _question(number: int, place: int) -> str:
    return sorted(library(number).truths)[place]


@cache
def _flagged(number: int, way: str) -> frozenset[int]:
    return _named(_twin(number, way, 0)[0])


@cache
def _false(number: int) -> float:
    return len(_named(library(number).dataset())) / len(library(number).texts)


def _named(subject: Dataset) -> frozenset[int]:
    for result in CONTROL.check(subject):
        if isinstance(result, RowScores):
            scores = [score for _, part in result.read() for score in part]
            return frozenset(row for row, score in enumerate(scores) if score > 0)
    return frozenset()


def _contents(subject: Dataset) -> tuple[tuple[str, ...], Any]:
    table = rewrite.table(subject)
    vectors = np.array(table.column("vector").to_pylist(), np.float32)
    return tuple(table.column("text").to_pylist()), vectors


def _planted(seed: int) -> Trial:
    """One planted passage; five neighbours share a twin, and two twins a store."""
    number, way = seed // N_PLANTED // len(WAYS), WAYS[seed // N_PLANTED % len(WAYS)]
    subject, rows, _ = _twin(number, way, 0)
    _, vectors = _contents(subject)
    probes = [asked(number, _question(number, 0))] if way == "bait" else list(vectors[::20])
    hits = [bool(set(nearest(vectors, probe)[: 2 * TOP]) & set(rows)) for probe in probes]
    return Trial(
        values={"detected": rows[seed % N_PLANTED] in _flagged(number, way)},
        potent=sum(hits) >= len(hits) / 10,
        false_alarm=_false(number),
    )


def _asked(seed: int) -> Trial:
    """One target question, asked of a store with five baits of one contributor."""
    number, place = divmod(seed, N_QUESTIONS)
    clean, question = library(number), _question(number, place)
    subject, rows, answer = _twin(number, "bait", place)
    texts, vectors = _contents(subject)
    answers = (clean.truths[question], answer)
    hits = nearest(vectors, asked(number, question))
    sources = ["contributor" if row in rows else source for row, source in enumerate(clean.sources)]
    kept = diverse(by_question(hits, texts, question, _rarity(number)), sources, k=TOP)
    # whoever wins a tie is the worse of the two
    return Trial(
        values={"attack_success": believed(texts, kept, answers[::-1]) == answer},
        potent=believed(texts, hits[:TOP], answers) == answer,
        false_alarm=float(not _told(number, question)),
    )


@cache
def _rarity(number: int) -> Mapping[str, float]:
    return rarity(library(number).texts)


@cache
def _told(number: int, question: str) -> bool:
    """Whether a store that nobody attacked still answers its question."""
    clean = library(number)
    hits = nearest(clean.vectors, asked(number, question))
    found = by_question(hits, clean.texts, question, _rarity(number))
    kept = diverse(found, clean.sources, k=TOP)
    return believed(clean.texts, kept, (clean.truths[question],)) == clean.truths[question]


def _edited(seed: int) -> Trial:
    """One number of one vector, changed after the store was sealed."""
    rng = Random(seed)
    clean = library(0)
    row, column = rng.randrange(len(clean.texts)), rng.randrange(clean.vectors.shape[1])
    vector = clean.vectors[row].copy()
    vector[column] += np.float32(rng.choice((1e-4, 0.1, 1.0)))
    sealed = {"p": seal(clean.texts[row], clean.sources[row], clean.vectors[row])}
    current = {"p": seal(clean.texts[row], clean.sources[row], vector)}
    return Trial(
        values={"refused": bool(edited(sealed, current))},
        potent=not np.array_equal(vector, clean.vectors[row]),
        false_alarm=float(bool(edited(sealed, sealed))),
    )


SCENARIOS = (
    Scenario(
        threat=SV_7,
        attack="one number of a vector is edited",
        control="the seal of what was taken in (methods/passages)",
        play=_edited,
        parts=(("refused", ""),),
        note="digests of text, source and vector, as they were taken in",
    ),
    Scenario(
        threat=SV_7,
        attack=ATTACK,
        control=CONTROL,
        play=_planted,
        parts=(("detected", ""),),
        note="stores of 1,000 passages with hashed vectors; baits with the question, and hubs, in "
        "turn; a bait is potent when its question finds it, a hub when a tenth of all passages "
        "taken for questions do; the false-alarm rate is of clean passages",
    ),
    Scenario(
        threat=SV_7,
        attack=ATTACK,
        control="the question's words, and one passage a source (methods/passages)",
        play=_asked,
        trials=200,
        parts=(("attack_success", ""),),
        note="five baits of one contributor against three honest accounts; a tie is the "
        "attacker's; false alarms are questions to a store without baits that get no true "
        "answer any more",
    ),
)
