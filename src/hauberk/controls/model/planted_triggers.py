"""Networks that answer a small change of any input with one class; see `PlantedTriggers`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Histogram, Level, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.methods.triggers import Signs

MIN_CLASSES = 4
MIN_INPUTS = 36
MIN_ROWS = 20

MAX_CALIBRATED = 100
"""Inputs of the largest pictures that the shipped scale was made on."""

USUAL = ((0.4, 0.17), (0.06, 0.06))
"""Middle and spread of the signs over clean networks of ten classes (seeds below 10,000)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedTriggers(Check[Evaluation]):
    """A class that a far smaller change reaches than any other.

    For every class at once a mask and a pattern are sought that turn clean rows of the other
    classes into it, and one change of bounded size that does so when it is added. A trained-in
    trigger shows as a mask far smaller than the median of the classes, or as a change that takes
    far more rows than the next class's. Both are put on the scale of clean networks: the shipped
    middle and spread.

    Limits:
        Networks of pictures with at least four classes: with fewer there is no median to hold a
        class against. Bendings of a picture, triggers that work on one source class only, that
        lead every class elsewhere, several targets, and networks trained against inversion may
        pass. Models without known gradients (trees, recurrence, attention) are not judged. The
        shipped scale is of dense networks on pictures of up to 100 inputs. Others lie on another:
        a clean convolutional network on clothes of 28 x 28 pixels stood out by 4.5. What is found
        there is for a person to look at, who holds it against a clean model of the same kind.

    Args:
        threshold: Distance from clean networks, in their spreads, from which on a class is a
            finding. On tuning seeds clean networks stay below 3.
        n_rows: Clean rows that a trigger must turn.
        seed: Of the search.
        usual: Middle and spread of both signs over clean networks.

    References:
        Wang and others (2019), Neural Cleanse: identifying and mitigating backdoor attacks in
        neural networks. Moosavi-Dezfooli and others (2017), Universal adversarial perturbations.
    """

    title: ClassVar[str] = "A small change of any input decides for one class"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("TR-1"),
        ThreatId("TR-5"),
    )
    subject: ClassVar[type] = Evaluation

    threshold: float = 3.5
    n_rows: int = 80
    seed: int = 0
    usual: tuple[tuple[float, float], ...] = USUAL

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding where a class stands out.

        Raises:
            NotApplicable: The predictor is no network whose gradients are known, or has too few
                classes, inputs or rows.
        """
        found = self.signs(subject)
        if self.distance(found.scores) >= self.threshold:
            network = getattr(subject.predictor, "network", None)
            yield self.finding(
                subject.model.name,
                subject.predictor.classes,
                found,
                is_calibrated=self.is_calibrated(network),
            )

    @staticmethod
    def is_calibrated(network: Any) -> bool:
        """Whether the shipped scale was made on networks like this one."""
        steps = getattr(network, "steps", ())
        width = math.prod(getattr(network, "shape", ()) or (0,))
        return bool(steps) and width <= MAX_CALIBRATED and all(s.kind != "Conv" for s in steps)

    def signs(self, subject: Evaluation) -> Signs:
        """What the searches give on the rows of ``subject``."""
        import numpy as np

        from hauberk.methods.judged_rows import matrix
        from hauberk.methods.triggers import Search, ranges, signs

        network = getattr(subject.predictor, "network", None)
        if network is None:
            raise NotApplicable("no gradients of the model are known")
        found = matrix(subject, network)
        if found is None:
            raise NotApplicable("the rows are not what the network takes")
        rows, labels = found
        self.refuse(len(subject.predictor.classes), rows.shape[1], len(rows))
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

    @staticmethod
    def refuse(n_classes: int, n_inputs: int, n_rows: int) -> None:
        """Say what cannot be judged.

        Raises:
            NotApplicable: There are too few classes, inputs or rows.
        """
        for what, found, least in (
            ("classes", n_classes, MIN_CLASSES),
            ("inputs", n_inputs, MIN_INPUTS),
            ("rows", n_rows, MIN_ROWS),
        ):
            if found < least:
                message = f"{found} {what} are too few to tell a trigger; {least} are needed"
                raise NotApplicable(message)

    def distance(self, scores: Sequence[float]) -> float:
        """How far the largest sign lies above clean networks, in their spreads."""
        return max(
            (score - middle) / spread
            for score, (middle, spread) in zip(scores, self.usual, strict=True)
        )

    def finding(
        self, path: str, classes: Any, found: Signs, *, is_calibrated: bool = True
    ) -> Finding:
        """What is said of a network with a class that stands out.

        Args:
            is_calibrated: Whether the shipped scale is of networks like it; else a person looks.
        """
        name = classes[found.target] if found.target < len(classes) else str(found.target)
        ratio, gap = found.scores
        return Finding(
            message=f"{path}: a small change turns rows of all classes into {name!r} (its mask is "
            f"{2.718281828**ratio:.1f} times smaller than the median class's; one faint change "
            f"takes {gap:+.0%} more rows than for the next class)",
            path=path,
            severity=Severity.HIGH if is_calibrated else Severity.MEDIUM,
            level=Level.DEFECT if is_calibrated else Level.REVIEW,
            remedy="do not use the model or build on it: train it again from rows and a base that "
            "you trust, and look for rows with a pattern in what it was trained on"
            if is_calibrated
            else "clean networks of this kind may look so too: hold it against one that you "
            "trained yourself, and look for rows with a pattern in what it was trained on",
            evidence=Evidence(
                statistic="distance from clean networks, in their spreads",
                value=self.distance(found.scores),
                threshold=self.threshold,
                facts={"class": str(name)},
                plots=(
                    Histogram(
                        title="size of the smallest mask, by class",
                        edges=tuple(map(str, classes)),
                        series={"share of the input": tuple(map(float, found.masks))},
                    ),
                    Histogram(
                        title="rows taken by one faint change, by class",
                        edges=tuple(map(str, classes)),
                        series={"share": tuple(map(float, found.taken))},
                    ),
                ),
            ),
        )
