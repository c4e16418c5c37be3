"""Whether a model was copied from another one, told by answers to chosen inputs.

Models of one task agree where the task is clear, and each has opinions of its own elsewhere. A
copy takes over some of its original's; nobody else has a reason to be nearer to the original
than to models that were made as the original was. So the question is put as a comparison:

1. References are models that the owner trains by the original's recipe, each on as many rows
   as the original had, drawn anew from all that the owner has. Whoever did not copy cannot know
   which of these models is the original: it is one of them like any other.
2. Each model's own opinion is what it says of the inputs beyond what all the others say: the
   logarithms of its scores, less their mean over the others. It is one direction.
3. A suspect's opinion is held against each of these directions. If the suspect is no copy, its
   nearness to the original is one more draw of its nearness to the references; how far beyond
   their mean it lies, in their standard deviations, has Student's distribution. The tail
   is the p-value. It is small for a copy, and for nothing else as long as 1 holds.

The inputs are secret until they are used, need no change of the model, and cost its users
nothing. Best are inputs far from what is easy: rows put together of pieces of others, and smooth
ones (`pieced` and `smooth` make them of pictures).

Limits:
    A copy that heard labels only takes over too little to be told. A model that others trained
    on the very rows of the original is nearer to it than the references are, and may
    be taken for a copy. References of another recipe, or of fewer rows, make the p-value too
    large or too small.

References:
    Lukas, Zhang and Kerschbaum (2021), Deep neural network fingerprinting by conferrable
    adversarial examples, section 3, for the references. Maini, Yaghini and Papernot (2021),
    Dataset inference, for the comparison by a test. Student (1908), The probable error of a
    mean; the prediction of one more draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.errors import UsageError

MIN_REFERENCES = 10
MIN_INPUTS = 30

_LEAST = 1e-4
"""Scores below are as good as none; many answers are rounded to so many decimals."""

_SCORES = 2
"""Dimensions of an array of scores."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fingerprint:
    """Inputs, and what a model and its references think of them beyond what all think.

    Attributes:
        inputs: ``(n, n_features)``.
        usual: ``(n, n_classes)`` what the models say on average, as centred logarithms, and
            `usual_labels` as shares of labels.
        own: ``(1 + n_references, n * n_classes)`` directions of unit length, the original's first.
    """

    inputs: Any
    usual: Any
    usual_labels: Any
    own: Any

    def p_value(self, answers: Any) -> float:
        """Chance that a model that is no copy is as near to the original as these answers.

        Args:
            answers: ``(n, n_classes)`` scores of the suspect, or ``(n,)`` labels.

        Raises:
            UsageError: These are not answers to the inputs.
        """
        from scipy.stats import t

        near = self.own @ self._opinion(np.asarray(answers))
        references = near[1:]
        spread = references.std(ddof=1) * np.sqrt(1 + 1 / references.size)
        if not spread > 0:
            return 1.0
        return float(t.sf((near[0] - references.mean()) / spread, references.size - 1))

    def _opinion(self, answers: Any) -> Any:
        """What the answers say beyond what all models say, as a vector."""
        n_rows, n_classes = self.usual.shape
        if answers.shape == (n_rows, n_classes):
            return (_centred(_checked(answers)) - self.usual).ravel()
        if answers.shape == (n_rows,) and np.isin(answers, np.arange(n_classes)).all():
            return (np.eye(n_classes)[answers.astype(int)] - self.usual_labels).ravel()
        raise UsageError(
            "these are not answers to the inputs of the fingerprint",
            expected=f"({n_rows}, {n_classes}) scores, or {n_rows} labels below {n_classes}",
            found=f"an array of shape {answers.shape}",
            hint="ask the suspect about `inputs`, in their order",
        )


def fingerprint(inputs: Any, original: Any, references: Sequence[Any]) -> Fingerprint:
    """What ``original`` thinks of the inputs that models of its kind do not.

    Args:
        inputs: ``(n, n_features)``.
        original: ``(n, n_classes)`` scores of the original.
        references: The same of each model that was made as the original was.

    Raises:
        UsageError: There are too few references or inputs, or a reference is the original.
    """
    known = [np.asarray(one, np.float64) for one in (original, *references)]
    if len(references) < MIN_REFERENCES:
        raise UsageError(
            "a fingerprint needs models that are no copies",
            expected=f"at least {MIN_REFERENCES} references",
            found=str(len(references)),
            hint="train some by the same recipe on other draws of the data",
        )
    if len(inputs) < MIN_INPUTS or any(one.shape != known[0].shape for one in known):
        raise UsageError(
            "a fingerprint needs scores of every model for every input",
            expected=f"at least {MIN_INPUTS} inputs, and (n_inputs, n_classes) scores each",
            found=f"{len(inputs)} inputs; scores {sorted({one.shape for one in known})}",
        )
    said = np.stack([_centred(_checked(one)) for one in known])
    usual = said.mean(axis=0)
    apart = (said - usual).reshape(len(known), -1)  # the mean of the others points the same way
    sizes = np.linalg.norm(apart, axis=1, keepdims=True)
    if not (sizes > 0).all() or any(np.array_equal(said[0], other) for other in said[1:]):
        raise UsageError(
            "a reference says what the original says",
            expected="models trained apart from the original",
            found="the same scores for every input",
        )
    shares = np.stack([np.eye(one.shape[1])[one.argmax(axis=1)] for one in known]).mean(axis=0)
    return Fingerprint(
        inputs=np.asarray(inputs), usual=usual, usual_labels=shares, own=apart / sizes
    )


def _centred(scores: Any) -> Any:
    logarithms = np.log(np.maximum(scores, 0) + _LEAST)
    return logarithms - logarithms.mean(axis=1, keepdims=True)


def _checked(scores: Any) -> Any:
    if scores.ndim != _SCORES or not np.isfinite(scores).all():
        raise UsageError(
            "scores of a fingerprint must be numbers",
            expected="(n_inputs, n_classes) finite scores",
            found=f"shape {scores.shape}, finite: {bool(np.isfinite(scores).all())}",
        )
    return scores


# Inputs of pictures --------------------------------------------------------------------


def pieced(images: Any, n: int, rng: np.random.Generator) -> Any:
    """``(n, side * side)``: each of the quarters of four pictures.

    Args:
        images: ``(n_images, side, side)``.
    """
    middle = images.shape[1] // 2
    one, two, three, four = images[rng.integers(len(images), size=(4, n))]
    above = np.concatenate([one[:, :middle, :middle], two[:, :middle, middle:]], axis=2)
    below = np.concatenate([three[:, middle:, :middle], four[:, middle:, middle:]], axis=2)
    return np.concatenate([above, below], axis=1).reshape(n, -1)


def smooth(side: int, n: int, rng: np.random.Generator, *, waves: int = 6) -> Any:
    """``(n, side * side)`` float32 of 0 to 1: sums of slow waves of random sizes."""
    places = (np.arange(side) + 0.5) / side
    lines = np.array([np.cos(np.pi * k * places) / (1 + k) for k in range(waves)])
    sizes = rng.normal(0, rng.uniform(0.2, 1, (n, 1, 1)), (n, waves, waves))
    made = np.clip(0.4 + np.einsum("nab,ay,bx->nyx", sizes, lines, lines), 0, 1)
    return made.reshape(n, -1).astype(np.float32)
