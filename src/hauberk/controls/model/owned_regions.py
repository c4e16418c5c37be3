"""Places without honest rows that a model was grown on and one class owns; see `OwnedRegions`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.methods.rare_regions import Found

MIN_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedRegions(Check[Evaluation]):
    """A model of trees that was grown on rows as nobody else has them, which one class owns.

    A trigger in a table is a value, or a combination of values, that honest rows do not have.
    Trees that learnt it have a node that was grown on the planted rows. For every node of every
    tree the rows that it was grown on are compared with the honest rows that come by, exactly
    and with the chance of an error shared by all nodes. Where far more were grown on than come
    by, rows of the other classes are moved there by as little as leads there; if nearly all of
    them become one class, that class owns the place. It is a defect where the rows agree
    everywhere else, and for a person to look at where honest rows are too many in other places:
    then the rows may only be drawn from another time or group.

    Limits:
        Honest rows must be drawn as the training rows were, without the trigger: where data were
        poisoned before they were split, the trigger lies in both parts. Few planted rows, or few
        honest ones, prove nothing; the result says how many would show. Trees whose nodes carry
        no counts (ONNX, XGBoost) are judged where the training rows are given. Models that are
        no trees, steps before the trees other than scalers, and rows with gaps are not judged.

    Args:
        least: Rarity of a node from which on rows are moved there: the negative decimal
            logarithm of the chance that an honest model has one as rare. 1.3 is one in twenty,
            by the distribution and not by tuning.
        seed: Of the choice of rows that are moved.

    References:
        Tarone (1990), A modified Bonferroni method for discrete data. Gu and others (2017),
        BadNets: identifying vulnerabilities in the machine learning model supply chain.
    """

    title: ClassVar[str] = "A class owns a place that honest rows never come to"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-1"), ThreatId("TR-5"))
    subject: ClassVar[type] = Evaluation

    least: float = 1.3
    seed: int = 0

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """At most one finding.

        Raises:
            NotApplicable: The predictor has no trees that are known, or too few rows.
        """
        from hauberk.methods.judged_rows import batch_of, plain

        trees = getattr(subject.predictor, "trees", ())
        given = plain(subject.data) if trees else None
        if given is None:
            raise NotApplicable("no trees of the model are known, or its rows are not all numbers")
        names, rows = given
        found = self.searched(
            lambda some: subject.predictor.scores(batch_of(names, some)), trees, rows
        )
        yield from self.judged(subject.model.name, names, subject.predictor.classes, found)

    def searched(self, ask: Any, trees: Sequence[Any], rows: Any) -> Found:
        """What the nodes give.

        Raises:
            NotApplicable: Nodes carry no counts, or there are too few rows, or they have gaps.
        """
        import numpy as np

        from hauberk.methods.rare_regions import rare_regions

        if not trees:
            raise NotApplicable("no trees of the model are known")
        if not all(len(tree.count) for tree in trees):
            raise NotApplicable("the trees do not say how many rows they were grown on")
        if len(rows) < MIN_ROWS:
            raise NotApplicable(f"{len(rows)} rows are too few; {MIN_ROWS} are needed")
        if not np.isfinite(rows).all():
            raise NotApplicable("the rows have gaps")
        rng = np.random.default_rng(self.seed)
        return rare_regions(ask, trees, rows, rng, least=self.least)

    def judged(
        self, path: str, names: Sequence[str], classes: Sequence[str], found: Found
    ) -> Iterator[Finding]:
        """What is said of the place that is least likely."""
        if not found.regions:
            return
        one = found.regions[0]
        is_drawn_otherwise = found.shift >= self.least
        where = " and ".join(
            interval(names[feature], low, high) for feature, (low, high) in one.box.items()
        )
        name = classes[one.target] if one.target < len(classes) else str(one.target)
        yield Finding(
            message=f"{path}: {one.taken:.0%} of the rows of other classes become {name!r} where "
            f"{where}; it was grown on {one.n_grown} of {one.of_grown} such rows, of "
            f"{one.of_honest} given ones {one.n_honest} are near"
            + ("; the rows differ in other places too" if is_drawn_otherwise else ""),
            path=path,
            severity=Severity.MEDIUM if is_drawn_otherwise else Severity.HIGH,
            level=Level.REVIEW if is_drawn_otherwise else Level.DEFECT,
            remedy="look at the training rows there, and ask where they come from"
            + (
                "; judge it again on rows of the same time and groups as those of its training"
                if is_drawn_otherwise
                else "; do not use the model: train it again without them"
            ),
            evidence=Evidence(
                statistic="negative decimal logarithm of the chance in an honest model",
                value=one.rarity,
                threshold=self.least,
                n=found.n_nodes,
                facts={"class": str(name), "place": where},
            ),
        )


def interval(name: str, low: float, high: float) -> str:
    """Words for an interval that is open below."""
    if low == -float("inf"):
        return f"{name} <= {high:.6g}"
    if high == float("inf"):
        return f"{name} > {low:.6g}"
    return f"{low:.6g} < {name} <= {high:.6g}"
