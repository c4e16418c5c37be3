"""Passages that are written to be retrieved: see `PlantPassages`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite
from hauberk.methods.embed import hashed_words

_ANSWERS = ("It was {0}.", "{0} did.", "By {0}.", "That was {0}.", "{0}, they say.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantPassages(Transform[Dataset]):
    """Replace some passages by ones that a question finds first, or that every question finds.

    A planted passage says the question twice and then gives the answer that the attacker wants,
    each time in other words; its vector is that of its text. A hub has the vector of the middle of
    all passages, whatever it says.

    Args:
        question: That is targeted; the answer follows from the random numbers.
        ways: ``bait`` (five passages for the question) or ``hub`` (five vectors in the middle).

    References:
        Zou et al. 2024, "PoisonedRAG: Knowledge Corruption Attacks to Retrieval-Augmented
        Generation". Zhong et al. 2023, "Poisoning Retrieval Corpora by Injecting Adversarial
        Passages".
    """

    title: ClassVar[str] = "Plant passages that are retrieved"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-7"),)
    subject: ClassVar[Any] = Dataset

    question: str = "Who repaired the old bridge near the harbour after the storm?"
    ways: tuple[str, ...] = ("bait",)

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin; ``rows`` are planted.

        Raises:
            UsageError: There are no texts with vectors.
        """
        text = next((c.name for c in subject.columns if c.kind is ColumnKind.TEXT), None)
        table = rewrite.table(subject)
        if text is None or "vector" not in table.column_names or len(table) < 2 * len(_ANSWERS):
            raise UsageError("texts with a column of vectors are needed", subject=subject.name)
        texts = table.column(text).to_pylist()
        vectors = np.array(table.column("vector").to_pylist(), np.float32)
        places = sorted(rng.sample(range(len(texts)), len(_ANSWERS)))
        answer = rng.choice(("Lindgren", "Okafor", "Tanaka", "Moreau")) + f" {rng.randrange(1000)}"
        is_hub = rng.choice(self.ways) == "hub"
        asked = f"{self.question} {self.question}"
        planted = [f"{asked} {said.format(answer)}" for said in _ANSWERS]
        if is_hub:
            planted = [said.format(answer) for said in _ANSWERS]
        for place, said in zip(places, planted, strict=True):
            texts[place] = said
        made = hashed_words(texts, width=vectors.shape[1])
        middle = vectors.mean(axis=0)
        for place in places:
            vectors[place] = middle if is_hub else made[place]
        twin = rewrite.with_cells(subject, text, places, [texts[place] for place in places])
        rows = [vectors[place].tolist() for place in places]
        twin = rewrite.with_cells(twin, "vector", places, rows)
        return Attacked(subject=twin, rows=tuple(places), truth={"answer": answer})
