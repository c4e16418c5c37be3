"""Whether a model was copied from another one, told by answers to chosen inputs.

Models of one task agree where the task is clear. A copy agrees with its original also where
the original is alone: on inputs that other models of the task, trained on other data, call
something else. Such inputs are the fingerprint. It is secret until it is used, needs no change
of the model, and costs its users nothing.

1. References are models of the same task that nobody copied: trained by the owner on other
   parts of the data, or known to be others' own work.
2. Candidates are inputs of any kind, best close to the boundary. Of them those are kept on
   which the original says something that hardly any reference says.
3. Each reference in turn is judged by the inputs that the others choose, which tells how often
   a model that is no copy agrees by chance; the highest rate counts, and one standard error
   more.
4. The suspect is asked the fingerprint. The binomial tail of its agreements under that rate is
   the p-value. It takes the inputs for independent; models that learnt alike agree on many at
   once, so that it is too small for some that are no copies. It is a reason to look closer.

References:
    Cao, Jia and Gong (2021), IPGuard; Lukas, Zhang and Kerschbaum (2021), Deep neural network
    fingerprinting by conferrable adversarial examples, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.errors import UsageError
from hauberk.methods.statistics import binomial_tail

MIN_REFERENCES = 3
MIN_INPUTS = 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fingerprint:
    """Inputs on which a model stands alone.

    Attributes:
        inputs: ``(n, n_features)``.
        labels: ``(n,)`` what the original says.
        by_chance: Highest share of them on which a model that is no copy agrees.
    """

    inputs: Any
    labels: Any
    by_chance: float

    def p_value(self, answers: Any) -> float:
        """Chance that a model that is no copy agrees as often as these ``(n,)`` answers."""
        hits = int((np.asarray(answers) == self.labels).sum())
        return float(binomial_tail(hits, len(self.labels), self.by_chance))


def fingerprint(
    inputs: Any, original: Any, references: Sequence[Any], *, n_inputs: int = 200
) -> Fingerprint:
    """The inputs on which ``original`` stands most alone.

    Args:
        inputs: ``(n, n_features)`` candidates, in an order of preference.
        original: ``(n,)`` labels of the original.
        references: ``(n,)`` labels of each reference.

    Raises:
        UsageError: There are too few references, or the original stands alone too seldom.
    """
    original, known = np.asarray(original), np.array(references)
    if len(known) < MIN_REFERENCES:
        raise UsageError(
            "a fingerprint needs models that are no copies",
            expected=f"at least {MIN_REFERENCES} references",
            found=str(len(known)),
            hint="train some on other parts of the data",
        )
    agrees = known == original
    chosen = _alone(agrees, n_inputs)
    if len(chosen) < MIN_INPUTS:
        raise UsageError(
            "the model says too little that others of its task do not",
            expected=f"{MIN_INPUTS} inputs on which it stands alone",
            found=str(len(chosen)),
            hint="offer more candidates, closer to the boundary",
        )
    rates = [_left_out(agrees, place, n_inputs) for place in range(len(agrees))]
    highest = max(rates)
    error = np.sqrt(max(highest * (1 - highest), 0.01) / len(chosen))
    return Fingerprint(
        inputs=np.asarray(inputs)[chosen],
        labels=original[chosen],
        by_chance=float(min(0.99, highest + error)),
    )


def _alone(agrees: Any, n_inputs: int) -> Any:
    """Places of the inputs on which fewest references agree, but not more than one in four."""
    share = agrees.mean(axis=0)
    order = np.argsort(share, kind="stable")
    return order[share[order] <= 0.25][:n_inputs]  # noqa: PLR2004 - still mostly alone


def _left_out(agrees: Any, place: int, n_inputs: int) -> float:
    """How often one reference agrees on the inputs that the others choose."""
    others = np.delete(agrees, place, axis=0)
    chosen = _alone(others, n_inputs)
    return float(agrees[place, chosen].mean()) if len(chosen) else 1.0
