"""Train a network anew from its own graph, with fresh weights; only ever in the worker.

A file of a network keeps its architecture and not how it was trained. Shadows need the second
only as far as it decides how closely the training rows are fitted, and that can be measured: they
are trained by Adam until their loss on their own rows is as low as the model's on the rows that it
was trained on. What the file does not keep (dropout and batch statistics of a graph written for
inference, augmentation, decay) is missing from the shadows; a recipe of the user's replaces the
usual one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from hauberk.errors import ArtifactError, HauberkError, UnavailableError
from hauberk.lifecycle.workers.answers import softmax
from hauberk.lifecycle.workers.attacking import Opened, class_name
from hauberk.methods.networks import Network, straightened
from hauberk.methods.torch_networks import runner

_FLOOR = 1e-3
"""Loss below which nothing is learnt any more that a statistic of probabilities could see."""

_NEAR = 1.05
_TINY = 1e-7
_MATRIX, _BIASED = 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: At most; training ends before where the model's own loss is reached.
        learning_rate: Of the optimizer.
        batch: Rows a step.
        optimizer: ``adam`` or ``sgd`` (with momentum 0.9).
        weight_decay: L2 of the optimizer.
        is_fixed: Whether all epochs are run, whatever the loss is.
    """

    epochs: int = 200
    learning_rate: float = 1e-3
    batch: int = 32
    optimizer: str = "adam"
    weight_decay: float = 0.0
    is_fixed: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Recipe:
        """The usual recipe with what the user gives in place.

        Raises:
            ArtifactError: A name or a value is none of a recipe for networks.
        """
        known = {one.name for one in fields(cls)} - {"is_fixed"}
        whole = all(type(given.get(name, 1)) is int for name in ("epochs", "batch"))
        rest = [given.get(name, 1) for name in ("learning_rate", "weight_decay")]
        numbers = all(type(one) in {int, float} and 0 <= one < math.inf for one in rest)
        sizes = whole and all(given.get(name, 1) > 0 for name in ("epochs", "batch"))
        if (
            set(given) - known
            or not (numbers and sizes)
            or given.get("optimizer", "adam")
            not in {
                "adam",
                "sgd",
            }
        ):
            raise ArtifactError(
                "the recipe of the shadows is none for a network",
                rule="--shadow-recipe",
                expected='{"epochs": 50, "learning_rate": 0.001, "batch": 32, "optimizer": "adam" '
                'or "sgd", "weight_decay": 0.0}, each of them optional',
                found=str(dict(given))[:200],
            )
        return replace(cls(**given), is_fixed="epochs" in given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainable:
    """A network whose weights may change.

    Attributes:
        call: A tensor of rows in their shape to scores ``(n, k)``.
        weights: Tensors that are trained.
        shape: Of one row.
        is_probability: Whether the scores are probabilities, else logits.
        mode: Tells the network whether it is trained now.
    """

    call: Callable[[Any], Any]
    weights: Sequence[Any]
    shape: tuple[int, ...]
    is_probability: bool
    mode: Callable[[bool], object] = bool


@dataclass(slots=True, kw_only=True)
class Learner:
    """Trains shadows of a network; see `hauberk.lifecycle.workers.attacking.Opened.again`.

    Attributes:
        fresh: A seed to a network with fresh weights.
        classes: Names in the order of the scores.
        goal: Gives the model's own loss on the rows it was trained on; ``None`` where unknown.
        losses: Loss and epochs of each training so far.
    """

    fresh: Callable[[int], Trainable]
    classes: Sequence[str]
    recipe: Recipe
    goal: Callable[[], float | None]
    losses: list[tuple[float, int]] = field(default_factory=list)
    _goal: float | None = None

    def __call__(self, rows: Any, labels: Any, seed: int) -> Callable[[Any], Any]:
        """Train on a frame of the features and its labels; a frame to probabilities."""
        import torch

        if self._goal is None:
            found = self.goal()
            self._goal = -1.0 if found is None or self.recipe.is_fixed else max(found, _FLOOR)
        place = {name: at for at, name in enumerate(self.classes)}
        codes = np.array([place.get(class_name(one), -1) for one in labels], np.int64)
        torch.manual_seed(seed)
        made = self.fresh(seed)
        cells = _cells(rows, made.shape)
        self.losses.append(_trained(made, cells[codes >= 0], codes[codes >= 0], self))
        made.mode(False)

        def ask(some: Any) -> Any:
            with torch.no_grad():
                given = _cells(some, made.shape)
                parts = [_chances(made, part).double() for part in given.split(4096)]
            return torch.cat(parts).numpy()

        return ask

    @property
    def least(self) -> float:
        """The loss at which a training ends."""
        return -1.0 if self._goal is None else self._goal * _NEAR

    def said(self) -> str:
        """The recipe in words, with what it reached."""
        one, reached = self.recipe, self.losses
        plain = f"{one.optimizer} at {one.learning_rate:g}, batches of {one.batch}, "
        if not reached:
            return plain + f"at most {one.epochs} epochs"
        epochs = f"{min(n for _, n in reached)} to {max(n for _, n in reached)} epochs"
        worst = max(loss for loss, _ in reached)
        if self._goal is None or self._goal < 0:
            return f"{plain}{epochs}, loss {worst:.3g} at the end"
        short = worst > self.least
        return (
            f"{plain}{epochs}, until the loss was that of the model on its own rows "
            f"({self._goal:.3g})"
            + (f"; not all came there ({worst:.3g}): the rate is a lower bound" if short else "")
        )


def is_retrained(request: Mapping[str, Any]) -> bool:
    """Whether something asked for trains the model again."""
    return bool(request.get("shadows") or request.get("property"))


def learning(
    model: Opened,
    fresh: Callable[[int], Trainable],
    frames: Sequence[Any],
    request: Mapping[str, Any],
) -> Opened:
    """``model`` with a way to train it again."""

    def goal() -> float | None:
        rows = frames[-1]
        scores = model.scores(rows[model.features])
        chances = softmax(scores) if model.are_logits else scores
        return own_loss(chances, rows[request["label"]], model.classes)

    learner = Learner(
        fresh=fresh,
        classes=model.classes,
        recipe=Recipe.of(request.get("recipe") or {}),
        goal=goal,
    )
    return replace(model, again=learner, recipe=learner.said)


def learning_graph(model: Opened, frames: Sequence[Any], request: Mapping[str, Any]) -> Opened:
    """``model`` with a way to train its graph again, or why there is none."""
    try:
        import torch

        torch.set_num_threads(1)
        network = model.network()
        fresh_graph(network, 0)
        rows = frames[0][model.features].iloc[:_PROBED]
        mine = network.scores(rows.to_numpy(np.float32))
        if np.abs(mine - model.scores(rows)).max(initial=0.0) > _FAITHFUL:
            raise UnavailableError("the graph does more than the steps that are trained")
    except ImportError:
        return replace(model, not_again=f"{_NO_TORCH}; install 'hauberk[torch]' for it")
    except (HauberkError, ValueError, KeyError, IndexError, TypeError) as error:
        return replace(model, not_again=f"{_NO_NETWORK} ({error}); {_WAY_OUT}")
    return learning(model, lambda seed: fresh_graph(network, seed), frames, request)


_NO_TORCH = "shadows of a graph are trained by torch, which is not installed beside Hauberk"
_NO_NETWORK = "the graph is no network whose steps can be trained again here"
_WAY_OUT = "give the estimator's own file (joblib, LightGBM, XGBoost) or a program of torch"
_PROBED, _FAITHFUL = 64, 1e-3


def own_loss(scores: Any, labels: Sequence[Any], classes: Sequence[str]) -> float | None:
    """Mean cross entropy of probabilities ``(n, n_classes)``; ``None`` without known labels."""
    place = {name: at for at, name in enumerate(classes)}
    codes = np.array([place.get(class_name(one), -1) for one in labels], np.int64)
    known = np.flatnonzero(codes >= 0)
    if not len(known):
        return None
    return float(-np.log(np.maximum(np.asarray(scores)[known, codes[known]], _TINY)).mean())


def _cells(rows: Any, shape: tuple[int, ...]) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(rows.to_numpy(np.float32)).reshape(-1, *shape))


def _chances(made: Trainable, rows: Any) -> Any:
    import torch

    scores = made.call(rows)
    if scores.shape[1] == 1:
        second = scores if made.is_probability else scores.sigmoid()
        return torch.cat([1 - second, second], dim=1)
    return scores if made.is_probability else scores.softmax(dim=1)


def _loss(made: Trainable, rows: Any, codes: Any) -> Any:
    from torch.nn import functional

    if made.is_probability:
        return functional.nll_loss(_chances(made, rows).clamp_min(_TINY).log(), codes)
    scores = made.call(rows)
    if scores.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(scores[:, 0], codes.float())
    return functional.cross_entropy(scores, codes)


def _trained(made: Trainable, rows: Any, codes: Any, learner: Learner) -> tuple[float, int]:
    """Train, and tell the mean loss of the last epoch and how many there were.

    Raises:
        ArtifactError: Its weights cannot be trained.
    """
    import torch

    recipe, weights = learner.recipe, list(made.weights)
    truth = torch.from_numpy(codes)
    if not weights or len(codes) < _MATRIX:
        raise ArtifactError(
            "the network has no weights to train, or no rows", found=str(len(codes))
        )
    settings = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        optimizer: Any = torch.optim.SGD(weights, momentum=0.9, **settings)
    else:
        optimizer = torch.optim.Adam(weights, **settings)
    mean, epoch = math.inf, 0
    made.mode(True)
    for epoch in range(1, recipe.epochs + 1):
        total = 0.0
        for part in torch.randperm(len(truth)).split(recipe.batch):
            loss = _loss(made, rows[part], truth[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(part)
        mean = total / len(truth)
        if not math.isfinite(mean):
            raise ArtifactError(
                "the shadows of the network do not learn",
                expected="a loss that falls",
                found=f"{mean} after {epoch} epochs",
                hint='give a smaller step with --shadow-recipe, as {"learning_rate": 0.0001}',
            )
        if mean <= learner.least:
            break
    return mean, epoch


# Fresh weights -------------------------------------------------------------------------


def fresh_graph(network: Network, seed: int) -> Trainable:
    """A network read from a graph, with fresh weights; what scales its inputs stays.

    Raises:
        UnavailableError: torch is not there, or does not run all of its steps.
    """
    import torch

    taken = straightened(network) if _ends_in_softmax(network) else network
    generator = torch.Generator().manual_seed(seed)
    constants = {
        name: torch.from_numpy(np.ascontiguousarray(value).copy())
        for name, value in taken.constants.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
    }
    weights = []
    for name, width in _weight_names(taken).items():
        constants[name] = _drawn(constants[name], width, generator).requires_grad_()
        weights.append(constants[name])
    call = runner(taken, constants)
    if call is None:
        raise UnavailableError("torch does not run all steps of the graph")
    return Trainable(
        call=call, weights=weights, shape=taken.shape, is_probability=taken.is_probability
    )


def _ends_in_softmax(network: Network) -> bool:
    kinds = [step.kind for step in network.steps if step.kind not in ("Identity", "Normalized")]
    return bool(kinds) and kinds[-1] == "Softmax" and "Round" not in kinds


def _weight_names(network: Network) -> dict[str, int]:
    """Constants that are weights, to how many inputs each output has; 0 starts at nothing."""
    found: dict[str, int] = {}
    for step in network.steps:
        given = [name for name in step.inputs if name in network.constants]
        if step.kind in {"Gemm", "MatMul", "Conv"} and len(step.inputs) > 1:
            name = step.inputs[1]
            if name in network.constants:
                shape = np.shape(network.constants[name])
                across = step.kind == "Conv" or bool(step.settings.get("transB"))
                found[name] = int(np.prod(shape[1:])) if across else shape[0]
            if len(step.inputs) == _BIASED and step.inputs[2] in network.constants:
                found[step.inputs[2]] = 0
        elif step.kind == "Add" and found:
            found |= dict.fromkeys(given, 0)
    return found


def fresh_module(module: Any, seed: int) -> list[Any]:
    """Give a module of torch fresh weights in place; the ones that are trained."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    weights = []
    for name, part in module.named_parameters():
        with torch.no_grad():
            if part.dim() >= _MATRIX:
                part.copy_(_drawn(part, int(np.prod(part.shape[1:])), generator))
            else:  # scales of a normalisation start at one, everything else of one axis at nothing
                part.fill_(1.0 if name.endswith("weight") else 0.0)
        weights.append(part.requires_grad_())
    for name, part in module.named_buffers():  # what was learnt of batches is the model's, too
        if name.endswith(("running_mean", "num_batches_tracked")):
            part.zero_()
        elif name.endswith("running_var"):
            part.fill_(1)
    return weights


def _drawn(like: Any, width: int, generator: Any) -> Any:
    import torch

    bound = 1 / math.sqrt(width) if width else 0.0
    return (torch.rand(like.shape, generator=generator, dtype=torch.float32) * 2 - 1) * bound
