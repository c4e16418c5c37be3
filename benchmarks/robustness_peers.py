"""Attacks on one network and one forest: ours beside ART, torchattacks and foolbox, in one run.

Usage: python benchmarks/robustness_peers.py [--data FOLDER] [--rows N] [--only PART,...]
Needs torch and onnx; each peer that is not installed is left out. FOLDER holds Fashion-MNIST as
its four gz files; without it, scikit-learn's digits are drawn larger. Success is counted the same
way for everybody: rows that were right and that onnxruntime, asked afterwards, gets wrong inside
of the radius. Costs are processor seconds of one thread for each attacked row.
"""

from __future__ import annotations

import argparse
import gzip
import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.methods import evasion
from hauberk.methods.evasion import Space, Target
from hauberk.methods.network_reading import of_onnx
from hauberk.methods.networks import cross_entropy_pull
from hauberk.methods.perturb import Ball
from hauberk.methods.torch_networks import quickened

RADII, STEPS = (0.06, 0.1), 40
SQUARE_EPS, SQUARE_QUERIES = 0.1, 300
TREE_EPS, TREE_QUERIES = 0.25, 50
SLACK = 1e-5


class Net:
    """One network in all the forms that somebody attacks."""

    def __init__(self, folder: Path | None) -> None:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(0)
        train, truth, self.rows, self.labels = _pictures(folder)
        self.side = int(train.shape[-1])
        flat = (self.side // 4) ** 2 * 32
        self.module = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(16, 32, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(flat, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 10),
        )
        optimiser = torch.optim.Adam(self.module.parameters(), 2e-3)
        for _ in range(3):
            order = torch.randperm(len(train))
            for first in range(0, len(train), 128):
                part = order[first : first + 128]
                loss = torch.nn.functional.cross_entropy(
                    self.module(torch.from_numpy(train[part])), torch.from_numpy(truth[part])
                )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        self.module.eval()
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            example = torch.zeros(1, 1, self.side, self.side)
            axes = {"x": {0: "n"}, "y": {0: "n"}}
            torch.onnx.export(
                self.module,
                (example,),
                buffer,
                input_names=["x"],
                output_names=["y"],
                dynamic_axes=axes,
                dynamo=False,
            )
        self.graph = buffer.getvalue()
        self.session = _session(self.graph)
        right = self.ask(self.rows).argmax(1) == self.labels
        self.rows, self.labels = self.rows[right], self.labels[right]
        print(f"network of {self.side} x {self.side} pixels, right on {right.mean():.3f}")

    def ask(self, rows: Any) -> Any:
        """Logits by onnxruntime."""
        cells = np.asarray(rows, np.float32).reshape(-1, 1, self.side, self.side)
        return self.session.run(None, {"x": cells})[0]

    def success(self, moved: Any, rows: Any, labels: Any, eps: float) -> float:
        """Share of rows that are wrong inside of the radius."""
        moved = np.asarray(moved, np.float32).reshape(len(rows), -1)
        inside = np.abs(moved - rows.reshape(len(rows), -1)).max(1) <= eps + SLACK
        return float((inside & (self.ask(moved).argmax(1) != labels)).mean())


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _pictures(folder: Path | None) -> tuple[Any, Any, Any, Any]:
    if folder is None:
        from sklearn.datasets import load_digits

        rows, labels = load_digits(return_X_y=True)
        rows = np.kron(rows.reshape(-1, 8, 8) / 16, np.ones((3, 3)))[:, None].astype(np.float32)
        return rows[:1200], labels[:1200], rows[1200:], labels[1200:]
    parts = []
    for name in ("train", "t10k"):
        pixels = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
        names = gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())
        rows = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 1, 28, 28)
        parts += [(rows / 255).astype(np.float32), np.frombuffer(names, np.uint8, offset=8)]
    train, truth, rows, labels = parts
    return train[:12000], truth[:12000].astype(np.int64), rows[:2000], labels[:2000].astype(int)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.process_time()
        given = work()
    return given, time.process_time() - started


def _told(name: str, success: float, seconds: float, n: int, own: float = 0.0) -> float:
    ratio = f"  {seconds / n / own:6.1f} times ours" if own else ""
    print(f"  {name:<34} success {success:.3f}  {1000 * seconds / n:9.3f} CPU-ms a row{ratio}")
    return seconds / n


def _space(eps: float) -> Space:
    return Space(ball=Ball(eps=eps, scale=1.0, low=0.0, high=1.0))


# PGD -----------------------------------------------------------------------------------


def pgd(net: Net, n: int, eps: float) -> None:
    """Projected gradient descent of 40 steps at most, with one random start."""
    print(f"PGD-{STEPS}, L-inf {eps}")
    rows, labels = net.rows[:n], net.labels[:n]
    flat = rows.reshape(n, -1).astype(np.float64)
    network = quickened(of_onnx(net.graph))

    def slope(some: Any, truth: Any) -> Any:
        return network.gradient(some, cross_entropy_pull(truth, is_probability=False))

    target = Target(ask=net.ask, slope=slope)

    def own(more: dict[str, Any]) -> Any:
        rng, space = np.random.default_rng(0), _space(eps)
        return evasion.projected_steps(target, flat, labels, space, rng, n_steps=STEPS, **more)

    moved, seconds = _timed(lambda: own({"adaptive": True, "patience": 6}))
    cost = _told("hauberk, auto-step", net.success(moved, rows, labels, eps), seconds, n)
    moved, seconds = _timed(lambda: own({}))
    _told("hauberk, fixed step", net.success(moved, rows, labels, eps), seconds, n, cost)
    for name, work in _pgd_peers(net, rows, labels, eps).items():
        moved, seconds = _timed(work)
        _told(name, net.success(moved, rows, labels, eps), seconds, n, cost)


def _pgd_peers(net: Net, rows: Any, labels: Any, eps: float) -> dict[str, Callable[[], Any]]:
    import torch

    peers: dict[str, Callable[[], Any]] = {}
    step = 2.5 * eps / STEPS
    if (art := _art(net)) is not None:
        from art.attacks.evasion import ProjectedGradientDescent

        for size in (32, 256, len(rows)):
            peers[f"ART, batches of {size}"] = lambda size=size: ProjectedGradientDescent(
                art,
                norm=np.inf,
                eps=eps,
                eps_step=step,
                max_iter=STEPS,
                num_random_init=1,
                batch_size=size,
                verbose=False,
            ).generate(rows, labels)
    tensor, truth = torch.from_numpy(rows), torch.from_numpy(labels)
    if _has("torchattacks"):
        import torchattacks

        peers["torchattacks"] = lambda: torchattacks.PGD(net.module, eps, step, STEPS)(
            tensor, truth
        ).numpy()
    if _has("foolbox"):
        import foolbox

        model = foolbox.PyTorchModel(net.module, bounds=(0, 1), device="cpu")
        attack = foolbox.attacks.LinfPGD(abs_stepsize=step, steps=STEPS)
        peers["foolbox"] = lambda: attack(model, tensor, truth, epsilons=eps)[1].numpy()  # noqa: PLW0108 - not yet
    return peers


def _has(name: str) -> bool:
    import importlib

    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"  {name} is left out: {error}")
        return False
    return True


def _art(net: Net) -> Any:
    if not _has("art"):
        return None
    import torch
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(
        net.module,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=(1, net.side, net.side),
        nb_classes=10,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


# Square --------------------------------------------------------------------------------


def square(net: Net, n: int) -> None:
    """The Square attack, scores alone."""
    print(f"Square, {SQUARE_QUERIES} queries, L-inf {SQUARE_EPS}")
    rows, labels = net.rows[:n], net.labels[:n]
    flat = rows.reshape(n, -1).astype(np.float64)

    def own() -> Any:
        return evasion.square(
            Target(ask=net.ask),
            flat,
            labels,
            _space(SQUARE_EPS),
            np.random.default_rng(0),
            shape=(1, net.side, net.side),
            n_queries=SQUARE_QUERIES,
        )

    moved, seconds = _timed(own)
    cost = _told("hauberk, ONNX", net.success(moved, rows, labels, SQUARE_EPS), seconds, n)
    for name, work in _square_peers(net, rows, labels).items():
        moved, seconds = _timed(work)
        _told(name, net.success(moved, rows, labels, SQUARE_EPS), seconds, n, cost)


def _square_peers(net: Net, rows: Any, labels: Any) -> dict[str, Callable[[], Any]]:
    import torch

    peers: dict[str, Callable[[], Any]] = {}
    if (art := _art(net)) is not None:
        from art.attacks.evasion import SquareAttack

        peers["ART, its default batch"] = lambda: SquareAttack(
            art, norm=np.inf, max_iter=SQUARE_QUERIES, eps=SQUARE_EPS, p_init=0.3, verbose=False
        ).generate(rows, labels)
    if _has("torchattacks"):
        import torchattacks

        peers["torchattacks"] = lambda: torchattacks.Square(
            net.module, eps=SQUARE_EPS, n_queries=SQUARE_QUERIES, p_init=0.3, seed=0
        )(torch.from_numpy(rows), torch.from_numpy(labels)).numpy()
    return peers


# Decisions alone -----------------------------------------------------------------------


def decisions(net: Net, n: int) -> None:
    """HopSkipJump in L2: the median distance, and what it costs to get there."""
    print("HopSkipJump, L2, classes alone")
    rows, labels = net.rows[:n], net.labels[:n]
    flat = rows.reshape(n, -1).astype(np.float64)
    pool = net.rows[n : n + 200].reshape(-1, flat.shape[1]).astype(np.float64)
    answers = net.ask(pool).argmax(1)
    starts = np.stack(
        [
            pool[answers != label][np.linalg.norm(pool[answers != label] - row, axis=1).argmin()]
            for row, label in zip(flat, labels, strict=True)
        ]
    )

    def own() -> Any:
        return evasion.decision_steps(
            Target(ask=net.ask),
            flat,
            labels,
            _space(1e9),
            np.random.default_rng(0),
            starts=starts,
            n_steps=OWN_STEPS,
            n_probes=OWN_PROBES,
        )

    moved, seconds = _timed(own)
    cost = _distance("hauberk, ONNX", net, moved, (flat, labels, seconds, 0.0))
    if not _has("foolbox"):
        return
    import foolbox
    import torch

    model = foolbox.PyTorchModel(net.module, bounds=(0, 1), device="cpu")
    tensor, truth = torch.from_numpy(rows), torch.from_numpy(labels)
    begins = torch.from_numpy(starts.reshape(rows.shape).astype(np.float32))
    for steps in (5, 10, 20):
        attack = foolbox.attacks.HopSkipJumpAttack(steps=steps, constraint="l2")
        (_, moved, _), seconds = _timed(
            lambda attack=attack: attack(
                model, tensor, truth, epsilons=[1e9], starting_points=begins
            )
        )
        last = moved[0] if isinstance(moved, list) else moved
        name = f"foolbox, {steps} steps"
        _distance(name, net, last.numpy().reshape(n, -1), (flat, labels, seconds, cost))


OWN_STEPS, OWN_PROBES = 12, 60


def _distance(name: str, net: Net, moved: Any, cost: tuple[Any, Any, float, float]) -> float:
    rows, labels, seconds, own = cost
    beaten = net.ask(moved).argmax(1) != labels
    far = np.linalg.norm(moved - rows, axis=1)[beaten]
    ratio = f"  {seconds / len(rows) / own:6.1f} times ours" if own else ""
    median = float(np.median(far)) if far.size else float("nan")
    print(
        f"  {name:<34} median {median:.3f} of {beaten.mean():.3f}  "
        f"{1000 * seconds / len(rows):9.3f} CPU-ms a row{ratio}"
    )
    return seconds / len(rows)


# Trees ---------------------------------------------------------------------------------


def trees(n: int) -> None:
    """Corner search on ensembles of trees, against a HopSkipJump that hears classes alone."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    rows, labels = load_digits(return_X_y=True)
    rows = rows / 16
    for model in (RandomForestClassifier(60, random_state=0), HistGradientBoostingClassifier()):
        model.fit(rows[:1200], labels[:1200])
        right = model.predict(rows[1200:]) == labels[1200:]
        some, truth = rows[1200:][right][:n], labels[1200:][right][:n]
        print(f"{type(model).__name__}, L-inf {TREE_EPS}, {TREE_QUERIES} queries a row")
        target = Target(ask=model.predict_proba)
        moved, seconds = _timed(
            lambda target=target, some=some, truth=truth: evasion.flips(
                target,
                some,
                truth,
                _space(TREE_EPS),
                np.random.default_rng(0),
                n_queries=TREE_QUERIES,
            )
        )
        share = float((model.predict(moved) != truth).mean())
        own = _told(f"hauberk, {target.tally.forward / len(some):.0f} asked", share, seconds, n)
        if _has("art"):
            _art_trees(model, some[:TREE_PEER_ROWS], truth[:TREE_PEER_ROWS], own)


TREE_PEER_ROWS = 8


def _art_trees(model: Any, rows: Any, truth: Any, own: float) -> None:
    from art.attacks.evasion import HopSkipJump
    from art.estimators.classification import BlackBoxClassifierNeuralNetwork

    box = BlackBoxClassifierNeuralNetwork(
        model.predict_proba, (rows.shape[1],), 10, clip_values=(0.0, 1.0)
    )
    attack = HopSkipJump(
        box, norm=np.inf, max_iter=10, max_eval=1000, init_eval=10, init_size=50, verbose=False
    )
    moved, seconds = _timed(lambda: attack.generate(rows.astype(np.float32), truth))
    inside = np.abs(moved - rows).max(1) <= TREE_EPS + SLACK
    share = float((inside & (model.predict(moved) != truth)).mean())
    _told(f"ART HopSkipJump, {len(rows)} rows", share, seconds, len(rows), own)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--only", default="pgd,square,decisions,trees")
    args = parser.parse_args()
    parts = args.only.split(",")
    if set(parts) - {"trees"}:
        net = Net(args.data)
        if "pgd" in parts:
            for eps in RADII:
                pgd(net, min(args.rows, len(net.rows)), eps)
        if "square" in parts:
            square(net, min(args.rows // 2, len(net.rows)))
        if "decisions" in parts:
            decisions(net, min(40, len(net.rows)))
    if "trees" in parts:
        trees(min(args.rows // 5, 300))


if __name__ == "__main__":
    main()
