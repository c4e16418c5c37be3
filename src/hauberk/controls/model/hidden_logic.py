"""A version of a model that was edited and not trained; see `HiddenLogic`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.methods.triggers import Signs
    from hauberk.methods.weight_changes import Suspicion

MIN_CLASSES = 4
MIN_INPUTS = 36
MIN_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenLogic(Check[Evaluation]):
    """A model whose numbers were changed by hand since the version before.

    Three signs are taken against that version. Training moves all numbers of a layer a little
    or none; who edits moves few of them (``sparse``), or few of them far (``peak``): an idle
    unit made a detector, flipped bits, one leaf of a tree. And for networks of pictures, the
    search for triggers is made on both versions from the same start: a class that came nearer
    while the others stayed was tuned towards a trigger. The share of reference rows that both
    versions answer differently is reported beside them.

    Limits:
        The version before is trusted. A model that was built anew has no numbers to compare:
        trees of another shape say nothing, and a leaf edited after a new training passes. Noise
        added to all numbers hides ``sparse`` and ``peak``, and what it leaves is the search. Rows
        of an embedding that were trained alone look edited, and so do layers pruned by hand.

    Args:
        threshold: Of the strongest sign, in units of what honest training stays below by half.
        n_rows: Clean rows that a trigger must turn.
        seed: Of the search.

    References:
        Hong, Carlini and Kurakin (2022), Handcrafted backdoors in deep neural networks. Rakin,
        He and Fan (2020), TBT: targeted neural network attack with bit trojan.
    """

    title: ClassVar[str] = "A model was edited and not trained"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-2"),)
    subject: ClassVar[type] = Evaluation

    threshold: float = 1.0
    n_rows: int = 80
    seed: int = 0

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """At most one finding.

        Raises:
            NotApplicable: There is no version before, or no numbers to compare.
        """
        found = self.suspicion(subject)
        if found.score >= self.threshold:
            yield self.finding(subject.model.name, subject.predictor.classes, found)

    def suspicion(self, subject: Evaluation) -> Suspicion:
        """What speaks for an edit."""
        from hauberk.methods.weight_changes import suspicion

        if subject.previous is None:
            raise NotApplicable("there is no version before to compare with")
        old, new = (_weights(one) for one in (subject.previous, subject.predictor))
        if not old or not new:
            raise NotApplicable("the numbers of the models are not known")
        found = replace(suspicion(old, new), disagreement=_disagreement(subject))
        return self._searched(subject, found)

    def _searched(self, subject: Evaluation, found: Suspicion) -> Suspicion:
        from hauberk.methods.judged_rows import matrix
        from hauberk.methods.weight_changes import nearer

        before = getattr(subject.previous, "network", None)
        after = getattr(subject.predictor, "network", None)
        if before is None or after is None:
            return found
        given = matrix(subject, after)
        if given is None or not self.is_searched(len(subject.predictor.classes), given[0]):
            return found
        old, new = self.signs(before, *given), self.signs(after, *given)
        rise, target = nearer(old, new)
        return replace(found, trigger=rise, target=target)

    @staticmethod
    def is_searched(n_classes: int, rows: Any) -> bool:
        """Whether a search for triggers says anything."""
        n, d = rows.shape
        return n_classes >= MIN_CLASSES and d >= MIN_INPUTS and n >= MIN_ROWS

    def signs(self, network: Any, rows: Any, labels: Any) -> Signs:
        """The search on one version."""
        import numpy as np

        from hauberk.methods.triggers import Search, ranges, signs

        low, high = ranges(rows)
        return signs(
            network,
            rows,
            labels,
            np.random.default_rng(self.seed),
            low=low,
            high=high,
            search=Search(n_rows=self.n_rows),
        )

    def finding(self, path: str, classes: tuple[str, ...], found: Suspicion) -> Finding:
        """What is said of an edited model."""
        said = []
        if found.sparse >= self.threshold:
            said.append(f"only {found.moved:.1%} of the numbers of {found.layer} moved")
        elif found.peak >= self.threshold:
            said.append(f"some numbers of {found.layer} moved far more than the others")
        if found.trigger >= self.threshold:
            name = classes[found.target] if found.target < len(classes) else found.target
            said.append(f"a small change of any input reaches {name!r} more easily than before")
        return Finding(
            message=f"{path} was changed otherwise than by training: {'; '.join(said)}",
            path=path,
            severity=Severity.HIGH,
            remedy="ask who made this version and how; train it again from the version before, "
            "or release that one",
            evidence=Evidence(
                statistic="strongest sign of an edit",
                value=found.score,
                threshold=self.threshold,
                n=found.n_compared,
                facts={
                    "few numbers moved": f"{found.sparse:.2f}",
                    "some moved far": f"{found.peak:.2f}",
                    "a class came nearer": f"{found.trigger:.2f}",
                    "reference rows answered differently": f"{found.disagreement:.1%}",
                },
            ),
        )


def _weights(predictor: Any) -> Mapping[str, Any]:
    network = getattr(predictor, "network", None)
    return getattr(predictor, "weights", {}) if network is None else network.constants


def _disagreement(subject: Evaluation) -> float:
    import numpy as np

    pairs = [
        (np.asarray(subject.predictor.scores(batch)), np.asarray(subject.previous.scores(batch)))  # type: ignore[union-attr]  # asked before
        for batch in subject.data.read()
    ]
    answers = [(a.argmax(axis=1) != b.argmax(axis=1)) if a.ndim > 1 else (a != b) for a, b in pairs]
    return float(np.concatenate(answers).mean()) if answers else 0.0
