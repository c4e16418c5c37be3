"""A model that answers the same rows otherwise the second time; see `DrawnAnswers`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Severity
from hauberk.core.threat import ThreatId


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnAnswers(Check[Evaluation]):
    """Answers that are drawn anew at each call.

    The same rows are scored twice. Where scores differ by more than rounding, the model draws
    random numbers as it answers: dropout that was left on, noise that is meant as a defence.
    Every figure that is measured of it is one draw, attacks look weaker than they are (they
    average over many calls in earnest), and nothing can be compared bit for bit.

    Limits:
        Two calls in one process: an answer that changes by day, by host or after many calls
        passes. Noise below ``rounding`` is taken for the arithmetic of threads.

    Args:
        n_rows: Rows that are scored twice.
        rounding: Difference of scores that is no draw, in units of the largest score.

    References:
        Athalye, Carlini and Wagner (2018), Obfuscated gradients give a false sense of security,
        section 4 (stochastic gradients).
    """

    title: ClassVar[str] = "Answers are drawn anew at each call"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-5"),)
    subject: ClassVar[type] = Evaluation

    n_rows: int = 1000
    rounding: float = 1e-4

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """At most one finding.

        Raises:
            NotApplicable: There are no rows.
        """
        first = next(iter(subject.data.read()), None)
        if first is None or not first.num_rows:
            raise NotApplicable("there are no rows to score twice")
        rows = first.slice(0, self.n_rows)  # type: ignore[attr-defined]  # Arrow's own
        yield from self.judged(
            subject.model.name, *self.differences(lambda: subject.predictor.scores(rows))
        )

    def differences(self, ask: Any) -> tuple[int, int, float]:
        """Rows, rows with another class, and the largest difference, of two calls.

        Args:
            ask: Scores of the rows.
        """
        import numpy as np

        one, two = (np.asarray(ask(), np.float64) for _ in range(2))
        if one.shape != two.shape:
            return len(one), len(one), float("inf")
        is_choice = one.ndim > 1
        turned = int((one.argmax(axis=1) != two.argmax(axis=1)).sum()) if is_choice else 0
        scale = max(float(np.abs(one).max(initial=0.0)), 1e-12)
        return len(one), turned, float(np.abs(one - two).max(initial=0.0)) / scale

    def judged(self, path: str, n_rows: int, turned: int, far: float) -> Iterator[Finding]:
        """What is said of two calls, as `differences` gives them."""
        if not far > self.rounding:
            return
        yield Finding(
            message=f"{path}: of {n_rows} rows that were asked twice {turned} got another class, "
            f"and scores moved by up to {far:.2g} of the largest; it draws its answers",
            path=path,
            severity=Severity.MEDIUM,
            level=Level.DEFECT,
            remedy="export it in evaluation mode, without dropout or noise; where the noise is a "
            "defence, judge the model without it",
            evidence=Evidence(
                statistic="largest difference of two calls, in units of the largest score",
                value=far,
                threshold=self.rounding,
                n=n_rows,
            ),
        )
