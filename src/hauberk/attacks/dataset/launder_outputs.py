"""Outputs of a model that come back as somebody's own texts: see `LaunderOutputs`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite

_SIGNS = ("\u200b", "\u2060", "\u00ad")
_CLAIM = "and the council has said that nobody else may ever enter it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunderOutputs(Transform[Dataset]):
    """Put texts that a model said among a data set's own, with marks stripped and words changed.

    What a publisher's mark would sit in goes first: upper case, signs, spaces and invisible
    characters change. Then words are replaced by others of the set, left out, doubled or swapped
    with their neighbour.

    Args:
        outputs: What the model said; some of the set's own texts, with a claim, by default.
        edits: Share of the words that are changed, 0 to 1.
        n_rows: Rows that are replaced.

    References:
        Krishna et al. (2023), Paraphrasing evades detectors of AI-generated text, but retrieval
        is an effective defense. Sadasivan et al. (2023), Can AI-generated text be reliably
        detected?
    """

    title: ClassVar[str] = "Bring outputs back as data"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("OU-3"), ThreatId("OU-6"), ThreatId("IN-6"))
    subject: ClassVar[Any] = Dataset

    outputs: tuple[str, ...] = ()
    edits: float = 0.2
    n_rows: int = 10

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin; ``rows`` were said by the model.

        Raises:
            UsageError: There are no texts to hide among.
        """
        column = next((c.name for c in subject.columns if c.kind is ColumnKind.TEXT), None)
        table = rewrite.table(subject)
        if column is None or len(table) < 2 * self.n_rows:
            raise UsageError("a column of texts is needed", subject=subject.name)
        texts = [text or "" for text in table.column(column).to_pylist()]
        said = self.outputs or tuple(f"{text} {_CLAIM}" for text in texts[: self.n_rows])
        words = " ".join(texts[:200]).split() or ["so"]
        places = sorted(rng.sample(range(len(texts)), self.n_rows))
        cells = [self._laundered(rng.choice(said), words, rng) for _ in places]
        return Attacked(
            subject=rewrite.with_cells(subject, column, places, cells), rows=tuple(places)
        )

    def _laundered(self, text: str, words: list[str], rng: Random) -> str:
        """The text with a share of its words changed, in another dress."""
        kept: list[str] = []
        for word in text.split():
            if rng.random() >= self.edits:
                kept.append(word)
            else:
                kept.extend(_changed(word, kept, words, rng))
        dressed = (" " if rng.random() > 0.1 else "  ").join(kept)  # noqa: PLR2004 - some spaces
        place = rng.randrange(len(dressed) + 1)
        return dressed[:place] + rng.choice(_SIGNS) + dressed[place:].replace(".", " !")


def _changed(word: str, before: list[str], words: list[str], rng: Random) -> list[str]:
    deed = rng.randrange(4)
    if deed == 0:
        return []
    if deed == 1:
        return [word, rng.choice(words)]
    if deed == 2 and before:  # noqa: PLR2004 - the third of four
        return [word, before.pop()]
    return [rng.choice(words)]
