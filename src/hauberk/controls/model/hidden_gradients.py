"""Models that look robust only to attacks that follow gradients; see `HiddenGradients`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.methods.networks import Network
    from hauberk.methods.stress import Stressed


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenGradients(Check[Evaluation]):
    """Robustness that vanishes as soon as an attack does not follow the model's own gradients.

    FGSM, PGD and auto-step PGD follow the gradient of the cross entropy as the model's outputs
    give it. What they leave right is attacked around the gradients: through the logits, with
    rounding taken as smooth, and by a search that asks for scores alone. A model that these
    fool and gradients spare, or whose gradients are nothing on most rows, hides its gradients:
    saturated outputs, quantised inputs. Its robustness is measured as the worst case over all.

    Limits:
        Only networks whose steps are known here have gradients: dense and convolutional ones
        without attention or recurrence, from scikit-learn or ONNX. A model that is random on
        purpose is not averaged over. That gradients are not hidden is no proof of robustness.

    Args:
        radius: Of the ball, in spreads of each feature.
        n_rows: Rows that are attacked; cost grows with them.
        n_queries: Scores of each row in a search.
        seed: Of the attacks.

    References:
        Athalye, Carlini and Wagner (2018), Obfuscated gradients give a false sense of security.
        Carlini and others (2019), On evaluating adversarial robustness.
    """

    title: ClassVar[str] = "The model hides its gradients instead of being robust"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-5"),)
    subject: ClassVar[type] = Evaluation

    radius: float = 0.25
    n_rows: int = 200
    n_queries: int = 60
    seed: int = 0

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding where gradients are hidden.

        Raises:
            NotApplicable: The predictor is no network whose gradients are known.
        """
        network = getattr(subject.predictor, "network", None)
        if network is None:
            raise NotApplicable("no gradients of the model are known")
        found = self.attacked(subject, network)
        if found.hides_gradients:
            yield self.finding(subject.model.name, found.n_clean, found.fooled)

    def attacked(self, subject: Evaluation, network: Network) -> Stressed:
        """What the cascade of attacks gives on the rows of ``subject``."""
        import numpy as np

        from hauberk.methods import stress
        from hauberk.methods.evasion import Space
        from hauberk.methods.judged_rows import matrix
        from hauberk.methods.networks import cross_entropy_pull, margin_pull, straightened
        from hauberk.methods.perturb import Ball

        judged = matrix(subject, network)
        if judged is None:
            raise NotApplicable("the rows are not what the network takes")
        rows, labels = judged
        rng = np.random.default_rng(self.seed)
        chosen = np.sort(rng.permutation(len(rows))[: self.n_rows])
        ball = Ball(
            eps=self.radius, scale=rows.std(axis=0), low=rows.min(axis=0), high=rows.max(axis=0)
        )
        straight = straightened(network)
        return stress.stressed(
            network.scores,
            rows[chosen],
            labels[chosen],
            Space(ball=ball),
            rng,
            slope=lambda some, truth: network.gradient(
                some, cross_entropy_pull(truth, is_probability=network.is_probability)
            ),
            straight=lambda some, truth: straight.gradient(some, margin_pull(truth)),
            budget=stress.Budget(n_queries=self.n_queries),
        )

    def finding(self, path: str, n_rows: int, fooled: Any) -> Finding:
        """What is said of a model that hides its gradients.

        Args:
            fooled: Attack to the rows that it was the first to fool.
        """
        counts = {name: str(count) for name, count in fooled.items()}
        return Finding(
            message=f"{path} hides its gradients: attacks that follow them spare rows that others "
            f"fool ({', '.join(f'{name} {count}' for name, count in counts.items())})",
            path=path,
            severity=Severity.HIGH,
            remedy="do not count gradient-based figures as robustness: use the worst case over all "
            "attacks, and train with adversarial rows instead of saturating or rounding",
            evidence=Evidence(statistic="rows fooled first, by attack", n=n_rows, facts=counts),
        )
