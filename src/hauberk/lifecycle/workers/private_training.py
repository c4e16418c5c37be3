"""Train a model's network again with differential privacy, by opacus; only ever in the worker.

The network is the model's own where it is a perceptron, else one layer. Gradients of rows are
clipped and noised; what that gives away of one row is said by opacus' accountant and by ours,
and the larger one counts.

References:
    Abadi and others (2016), Deep learning with differential privacy. Mironov, Talwar and Zhang
    (2019), Renyi differential privacy of the sampled Gaussian mechanism.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.errors import UnavailableError

EPOCHS, BATCH, CLIP, RATE = 30, 64, 1.0, 0.5
_NOISE_LEAST, _LOUDER = 0.3, 1.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a training gives away of one row, and what it was done with.

    Attributes:
        epsilon: The larger of both accountants' bounds.
        noise: Standard deviation in units of the clipping norm.
        share: Share of the rows in one step.
    """

    epsilon: float
    delta: float
    noise: float
    share: float
    steps: int


def trained(
    rows: Any, labels: Any, n_classes: int, *, hidden: tuple[int, ...], epsilon: float, seed: int
) -> tuple[Callable[[Any], Any], Spent]:
    """Probabilities of rows by a network that was trained so, and what it gives away.

    Args:
        rows: ``(n, d)`` numbers.
        labels: ``(n,)`` places of classes.
        hidden: Units of each hidden layer.
        epsilon: What may be given away at ``delta`` of one over the rows.

    Raises:
        UnavailableError: opacus is not installed.
    """
    try:
        import torch
        from opacus import PrivacyEngine
        from opacus.accountants.utils import get_noise_multiplier
    except ImportError:
        raise UnavailableError(
            "opacus is not installed", hint="pip install opacus beside Hauberk"
        ) from None
    from hauberk.methods.federated import epsilon as own_epsilon

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    n, delta = len(rows), 1.0 / len(rows)
    share = min(1.0, BATCH / n)
    steps = max(1, round(EPOCHS / share))
    noise = max(
        _NOISE_LEAST,
        get_noise_multiplier(
            target_epsilon=epsilon, target_delta=delta, sample_rate=share, steps=steps
        ),
    )
    while own_epsilon(noise=noise, share=share, steps=steps, delta=delta) > epsilon:
        noise *= _LOUDER
    given = torch.from_numpy(np.ascontiguousarray(rows, np.float32))
    truth = torch.from_numpy(np.asarray(labels, np.int64))
    module = _network(torch, rows.shape[1], hidden, n_classes)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(given, truth), batch_size=min(BATCH, n)
    )
    engine = PrivacyEngine()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        private, optimiser, batches = engine.make_private(
            module=module,
            optimizer=torch.optim.SGD(module.parameters(), RATE, momentum=0.5),
            data_loader=loader,
            noise_multiplier=noise,
            max_grad_norm=CLIP,
            noise_generator=torch.Generator().manual_seed(seed),
        )
        done = 0
        while done < steps:
            for some, wanted in batches:
                if done == steps:
                    break
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(private(some), wanted).backward()
                optimiser.step()
                done += 1
        theirs = float(engine.get_epsilon(delta))
    ours = own_epsilon(noise=noise, share=share, steps=steps, delta=delta)
    module.eval()

    def ask(more: Any) -> Any:
        with torch.no_grad():
            scores = module(torch.from_numpy(np.ascontiguousarray(more, np.float32)))
            return scores.softmax(1).numpy().astype(np.float64)

    spent = Spent(epsilon=max(theirs, ours), delta=delta, noise=noise, share=share, steps=steps)
    return ask, spent


def _network(torch: Any, width: int, hidden: tuple[int, ...], n_classes: int) -> Any:
    layers: list[Any] = []
    for units in hidden:
        layers += [torch.nn.Linear(width, units), torch.nn.Tanh()]
        width = units
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, n_classes))
