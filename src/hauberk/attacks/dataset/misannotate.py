"""Give wrong labels as an annotator; see `Misannotate`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite

_FEW = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Misannotate(Transform[Dataset]):
    """Some people of the column that names them give wrong labels.

    Args:
        kind: ``spammer`` (any label), ``constant`` (one label), ``flipper`` (a wrong label
            now and then), ``targeted`` (one class into another), ``colluding`` (the same two
            classes exchanged by all), ``camouflaged`` (some of one class into another).
        n_people: How many are bad.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"y": ["a", "b"] * 4, "who": ["p", "q"] * 4})
        >>> crowd = table_of("t", [rows], label="y", annotator="who")
        >>> Misannotate(kind="constant", n_people=1).apply(crowd, Random(1)).truth["people"]
        ('q',)

    References:
        Raykar and Yu (2012), Eliminating spammers and ranking annotators for crowdsourced
        labeling tasks. Wang et al. (2014), Man vs. machine: practical adversarial detection
        of malicious crowdsourcing workers.
    """

    title: ClassVar[str] = "Misannotate"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-2"), ThreatId("AQ-1"))
    subject: ClassVar[Any] = Dataset

    kind: str = "colluding"
    n_people: int = 3

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin; ``rows`` have a changed label, ``truth`` names the people and the pair.

        Raises:
            UsageError: No column names people or labels, or there are too few of either.
        """
        column = subject.annotator or subject.source
        if column is None or subject.label is None:
            raise UsageError("people who label are needed", subject=subject.name)
        draws = np.random.default_rng(rng.getrandbits(64))
        rows = rewrite.table(subject)
        labels = np.array(rows.column(subject.label).to_pylist(), object)
        who = np.array(rows.column(column).to_pylist(), object)
        people = np.array(sorted({str(name) for name in who} - {"gold"}))
        classes = np.array(sorted({str(label) for label in labels}))
        if people.size <= self.n_people or classes.size < 2:  # noqa: PLR2004 - a pair
            raise UsageError("too few people or classes", subject=subject.name)
        bad = np.sort(draws.choice(people, self.n_people, replace=False))
        pair = draws.choice(classes, 2, replace=False)
        own = np.isin(who.astype(str), bad)
        changed = _changed(self.kind, labels.astype(str), own, (classes, pair), draws)
        places = np.flatnonzero(changed != labels.astype(str))
        return Attacked(
            subject=rewrite.with_cells(
                subject, subject.label, places.tolist(), changed[places].tolist()
            ),
            rows=tuple(places.tolist()),
            truth={"people": tuple(map(str, bad)), "pair": tuple(map(str, pair))},
        )


def _changed(
    kind: str, labels: Any, own: Any, known: tuple[Any, Any], rng: np.random.Generator
) -> Any:
    classes, (first, second) = known
    anything = rng.choice(classes, labels.size)
    some = rng.random(labels.size) < _FEW
    exchanged = np.where(labels == first, second, np.where(labels == second, first, labels))
    ways = {
        "spammer": anything,
        "constant": np.full(labels.size, first),
        "flipper": np.where(some, anything, labels),
        "targeted": np.where(labels == first, second, labels),
        "colluding": exchanged,
        "camouflaged": np.where((labels == first) & some, second, labels),
    }
    if kind not in ways:
        raise UsageError("there is no such kind of annotator", found=kind)
    return np.where(own, ways[kind], labels)
