"""A model that tells what share of its rows belonged to a group; see `InferableShare`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.methods.property_inference import Fit, Inference

MIN_ROWS = 60
"""Rows of the group, and of the others."""

_MAX_PROBES = 200
_POOLS = 4
_MOST = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class InferableShare(Check[Evaluation]):
    """Shadow models whose answers tell apart how many of their rows belonged to a group.

    Before a release, models of the same kind are trained on rows of which 30 % or 70 % belong to
    the group that ``sensitive`` of the training rows names, and a classifier learns to tell
    their answers apart. What it reaches on shadows whose rows it did not see, with its interval,
    is the residual risk; where the lower bound is above what the policy accepts it is a finding.

    Limits:
        An advice: nothing is changed by it. Only the named group at the two shares is audited,
        other facts about the rows are not, and nearer shares are harder to tell. The auditor
        owns data and recipe. A stronger classifier, or one that sees the weights, may reach
        more. Needs a model that can be trained again here.

    Args:
        max_auroc: Accepted area under the attacker's curve, 0.5 to 1.
        n_shadows: Shadow models; the audit costs as many trainings.
        seed: Of the draws and the trainings.

    References:
        Ateniese and others (2015), Hacking smart machines with smarter ones. Ganju and others
        (2018), Property inference attacks on fully connected neural networks.
    """

    title: ClassVar[str] = "A model tells the share of a group in its training rows"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("XC-5"),)
    subject: ClassVar[type] = Evaluation

    max_auroc: float = 0.75
    n_shadows: int = 64
    seed: int = 0

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding where the share is told more surely than is accepted.

        Raises:
            NotApplicable: There are no training rows with one sensitive column, its groups are
                too small, or the predictor cannot be trained again.
        """
        yield from self.judged(subject.model.name, self.inference(subject))

    def inference(self, subject: Evaluation) -> Inference:
        """The audit of ``subject``, for the most frequent value of the sensitive column."""
        import numpy as np

        fit = getattr(subject.predictor, "fit", None)
        train = subject.train
        if train is None or fit is None:
            raise NotApplicable("the rows of training or the recipe are not given")
        if len(train.sensitive) != 1:
            raise NotApplicable("no group is named: one sensitive column is needed")
        cells = [
            str(value)
            for batch in train.read()
            for value in batch.column(train.sensitive[0]).to_pylist()
        ]
        values, counts = np.unique(cells, return_counts=True)
        n_test = sum(batch.num_rows for batch in subject.data.read())
        group = np.asarray(cells) == values[counts.argmax()]
        return self.audited(group, len(cells) + np.arange(n_test), fit)

    def audited(self, group: Any, probes: Any, fit: Fit) -> Inference:
        """Train the shadows and tell them apart.

        Args:
            group: ``(n,)`` bool: which training rows belong to the group.
            probes: Places of the rows to ask, as ``fit`` numbers them.

        Raises:
            NotApplicable: The group, or the rest, is too small.
        """
        import numpy as np

        from hauberk.methods.property_inference import answers, told_apart

        n_few = int(min(group.sum(), (~group).sum()))
        if n_few < MIN_ROWS:
            raise NotApplicable(
                f"{n_few} rows of the group or of the others are too few; {MIN_ROWS} are needed"
            )
        rng = np.random.default_rng(self.seed)
        asked = np.asarray(probes)[np.sort(rng.permutation(len(probes))[:_MAX_PROBES])]
        n_rows = min(len(group) // (2 * _POOLS), round(n_few / _POOLS / _MOST))
        parts = []
        for pool in _pools(group, rng):
            numbers = answers(
                lambda places, seed, pool=pool: fit(pool[places], seed),  # type: ignore[misc]
                group[pool],
                asked,
                rng,
                n_shadows=max(2, self.n_shadows // _POOLS),
                n_rows=n_rows,
            )
            parts.append(numbers)
        found = told_apart([given for given, _ in parts], [large for _, large in parts])
        return replace(found, n_rows=n_rows)

    def judged(self, path: str, found: Inference) -> Iterator[Finding]:
        """One finding where the lower bound is above what is accepted."""
        if found.low <= self.max_auroc:
            return
        few, many = found.shares
        yield Finding(
            message=f"{path}: answers tell whether {few:.0%} or {many:.0%} of the training rows "
            f"belonged to the group (area under the curve {found.auroc:.2f} "
            f"[{found.low:.2f}, {found.high:.2f}], accepted {self.max_auroc:g})",
            path=path,
            severity=Severity.MEDIUM,
            remedy="give classes or coarse scores instead of probabilities, train with "
            "differential privacy for groups, or accept the risk where the share is no secret",
            evidence=Evidence(
                statistic="area under the attacker's curve",
                value=found.auroc,
                threshold=self.max_auroc,
                n=found.n_shadows,
                facts={"interval": f"[{found.low:.3f}, {found.high:.3f}]"},
            ),
        )


def _pools(group: Any, rng: Any) -> list[Any]:
    """Places of the rows in parts that share none, with as many of the group in each."""
    import numpy as np

    inside, outside = (
        np.array_split(rng.permutation(np.flatnonzero(mask)), _POOLS) for mask in (group, ~group)
    )
    return [np.concatenate(pair) for pair in zip(inside, outside, strict=True)]
