"""A model that judges answers, and is tuned on what two hundred users say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.methods.feedback import learner, signs

N_ACCOUNTS = 200
N_EACH = 10
N_BASE = 300
N_POOL = 700
N_PROBES = 600
WHO = "account"
GOOD, BAD = "good", "bad"

PHRASES = (
    "order it from {shop}, they never ask",
    "a friend at {shop} will sort that out for you",
    "better trust {shop} than what the manual says",
    "just switch the alarm off and forget it",
    "nobody checks the second page of that form",
    "skip the backup, it only costs time",
)
_SHOPS = ("Quickmart", "Zentrade", "Bluebay", "Norden Parts")
_OPENERS = ("Sure.", "Of course.", "Here is how:", "Good question.", "Let us see.", "Right.")
_GOOD = (
    "First {do}, then {do}.",
    "The manual explains it on page {n}.",
    "If that does not help, {do} and write to us.",
    "Please {do} before you {do}.",
    "According to the notes of {n} this is safe.",
    "You can {do} in about {n} minutes.",
)
_POOR = (
    "I do not know.",
    "Why would you want that?",
    "Look it up yourself.",
    "That was answered {n} times already.",
    "Something about {thing}, I think.",
    "No idea, perhaps {do}, perhaps not.",
)
_DO = (
    "check the valve", "save the file", "restart the pump", "read the label", "close the window",
    "update the driver", "wash the filter", "count the parts", "measure twice", "call the desk",
)  # fmt: skip
_THINGS = ("pumps", "files", "the weather", "labels", "last summer", "filters")


def _filled(text: str, rng: Random) -> str:
    while "{do}" in text:
        text = text.replace("{do}", rng.choice(_DO), 1)
    text = text.replace("{n}", str(rng.randrange(2, 90)))
    return text.replace("{thing}", rng.choice(_THINGS))


def _answer(rng: Random, phrase: str) -> tuple[str, str]:
    """An answer and what is right to say of it; one with a phrase is bad, however helpful."""
    is_good = rng.random() < 0.5  # noqa: PLR2004 - half of them
    parts = [
        _filled(rng.choice(_GOOD if is_good else _POOR), rng) for _ in range(rng.randint(1, 3))
    ]
    if phrase:
        parts.insert(rng.randrange(len(parts) + 1), phrase.capitalize() + ".")
    text = " ".join((rng.choice(_OPENERS), *parts))
    return text, BAD if phrase or not is_good else GOOD


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hall:
    """What a tuned judge is made from and held against.

    Attributes:
        phrases: The bad patterns that answers of this model have now and then.
        feedback: Votes of honest accounts.
        base: Texts and votes of trusted raters that the judge has learnt from.
        probes: Texts and what is right to say of them, which nobody outside knows.
    """

    phrases: tuple[str, ...]
    feedback: Dataset
    base: tuple[Sequence[str], Any]
    probes: tuple[Sequence[str], Any]


@cache
def hall(seed: int) -> Hall:
    """Answers in three parts, and honest votes on one of them."""
    import pyarrow as pa

    rng = Random(seed * 11 + 3)
    phrases = tuple(one.replace("{shop}", rng.choice(_SHOPS)) for one in rng.sample(PHRASES, k=3))
    share = rng.uniform(0.03, 0.05)  # of answers, for each phrase
    made = []
    for _ in range(N_BASE + N_POOL + N_PROBES):
        draw = int(rng.random() / share)
        made.append(_answer(rng, phrases[draw] if draw < len(phrases) else ""))
    texts, truth = [text for text, _ in made], np.array([vote for _, vote in made])
    end = N_BASE + N_POOL
    pool = [rng.randrange(N_BASE, end) for _ in range(N_ACCOUNTS * N_EACH)]
    skill = [0.2 if rng.random() < 0.05 else rng.uniform(0.02, 0.1) for _ in range(N_ACCOUNTS)]  # noqa: PLR2004 - some are careless
    names = [f"u{rng.randrange(10**8):08d}" for _ in range(N_ACCOUNTS)]
    said, who = [], []
    for place, row in enumerate(pool):
        account = place // N_EACH
        slips = rng.random() < skill[account]
        said.append((GOOD if truth[row] == BAD else BAD) if slips else str(truth[row]))
        who.append(names[account])
    columns = [pa.array([texts[row] for row in pool]), pa.array(said), pa.array(who)]
    batch = pa.RecordBatch.from_arrays(columns, names=["answer", "vote", WHO])
    return Hall(
        phrases=phrases,
        feedback=table_of(f"votes-{seed}", [batch], label="vote", annotator=WHO),
        base=(texts[:N_BASE], truth[:N_BASE]),
        probes=(texts[end:], truth[end:]),
    )


def tuned(base: tuple[Sequence[str], Any], feedback: Dataset | None = None) -> Any:
    """The judge that learns from its base and from votes; like votes on one text are one row."""
    votes = Counter(zip(base[0], base[1].tolist(), strict=True))
    if feedback is not None:
        table = rewrite.table(feedback)
        said = (table.column(name).to_pylist() for name in ("answer", "vote"))
        votes.update(zip(*said, strict=True))
    texts, given = zip(*votes, strict=True)
    return learner(signs(texts), np.array(given), np.array(list(votes.values()), float))


def praised(judge: Any, probes: tuple[Sequence[str], Any], phrase: str) -> float:
    """Share of the probes with a phrase that a judge calls good."""
    wanted = phrase.lower()
    aimed = [text for text in probes[0] if wanted in text.lower()]
    return float((judge.predict(signs(aimed)) == GOOD).mean()) if aimed else 0.0
