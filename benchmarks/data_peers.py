"""Rows that attacks changed, found by the data controls and by tools that people use for it.

The same seeded attacks on handwritten digits (24 x 24) and on tumours (30 columns) go to both
sides, each in a process of its own, told the rows and labels and nothing else:

* hauberk: `dataset/label-flips` and `dataset/backdoor-triggers`, with their defaults;
* cleanlab: label quality from a logistic regression's out-of-fold probabilities, as its tutorials
  do it for tables;
* adversarial-robustness-toolbox: activation clustering (two clusters, ten principal components)
  and spectral signatures, over the hidden layer of a network of scikit-learn (one hidden layer of
  128) that was trained on the rows: the toolbox asks for activations and brings no network;
* evidently and great-expectations look at whole columns and say nothing of rows; they are told the
  clean and the attacked set and asked whether anything is wrong: evidently by its drift preset,
  great-expectations by the ranges and sets of values that the clean set has.

What gives scores is told by its recall at 1 % of false alarms; what gives a verdict on each row by
recall and false alarms as they are. Run ``python benchmarks/data_peers.py --peers VENV``
with ``pip install cleanlab adversarial-robustness-toolbox evidently great-expectations`` there;
what cannot be imported is said.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

FIRST_SEED = 1_000
RATE = 0.01
ATTACKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "digits, flips 10 %": ("digits", "flip", {"share": 0.1}),
    "digits, patch 5 %": ("digits", "stamp", {"share": 0.05, "pattern": "patch"}),
    "digits, pixel 1 %": ("digits", "stamp", {"share": 0.01, "pattern": "pixel"}),
    "digits, blended 5 %": ("digits", "stamp", {"share": 0.05, "pattern": "blended"}),
    "tumours, flips 10 %": ("tumours", "flip", {"share": 0.1}),
    "tumours, value 5 %": ("tumours", "stamp", {"share": 0.05, "pattern": "value"}),
    "tumours, pair 5 %": ("tumours", "stamp", {"share": 0.05, "pattern": "pair"}),
}
"""Name to data, deed and its parameters."""

PEERS = ("cleanlab", "activation clustering", "spectral signatures", "evidently", "expectations")


# The sets --------------------------------------------------------------------------------------


def attacked(name: str, seed: int) -> tuple[Any, Any, Any, Any]:
    """The subject for us, its features and labels for the others, and the changed rows."""
    sys.path.insert(0, str(Path(__file__).parent))
    import dataset_controls as ours
    from sklearn import datasets

    from hauberk.attacks.dataset.flip_labels import FlipLabels
    from hauberk.attacks.dataset.stamp_trigger import StampTrigger

    data, deed, parameters = ATTACKS[name]
    tumours = ours.drawn(lambda: datasets.load_breast_cancer(return_X_y=True))
    clean = ours.digits(seed) if data == "digits" else tumours(seed)
    attack = FlipLabels(**parameters) if deed == "flip" else StampTrigger(**parameters)
    twin = attack.apply(clean, Random(seed))
    return twin.subject, plain(clean), plain(twin.subject), np.array(sorted(twin.rows))


def plain(dataset: Any) -> tuple[Any, Any]:
    """Rows as a matrix of numbers, and labels."""
    features, labels = [], []
    for batch in dataset.read():
        labels += batch.column(dataset.label).to_pylist()
        names = [column.name for column in dataset.columns if column.name != dataset.label]
        cells = [batch.column(name) for name in names]
        if hasattr(cells[0], "to_numpy_ndarray"):
            features.append(cells[0].to_numpy_ndarray().reshape(len(cells[0]), -1))
        else:
            features.append(np.stack([c.to_numpy(zero_copy_only=False) for c in cells], axis=1))
    return np.concatenate(features).astype(float), np.array(labels, int)


def ours(name: str, subject: Any) -> tuple[Any, float]:
    """Scores of the control that fits, and its processor seconds."""
    import dataset_controls

    from hauberk.controls.dataset.backdoor_triggers import BackdoorTriggers
    from hauberk.controls.dataset.label_flips import LabelFlips

    control = LabelFlips() if ATTACKS[name][1] == "flip" else BackdoorTriggers()
    begun = time.process_time()
    scores, _ = dataset_controls.judged(control, subject)
    return scores, time.process_time() - begun


# The others, inside their own environment -----------------------------------------------------


def network(x: Any, y: Any) -> tuple[Any, Any]:
    """Rows between 0 and 1, and the hidden activations of a network trained on them."""
    from sklearn.neural_network import MLPClassifier

    spread = np.maximum(x.max(axis=0) - x.min(axis=0), 1e-9)
    scaled = (x - x.min(axis=0)) / spread
    model = MLPClassifier((128,), max_iter=60, random_state=0).fit(scaled, y)
    return scaled, np.maximum(scaled @ model.coefs_[0] + model.intercepts_[0], 0)


class Hidden:
    """A model as the toolbox sees it: something that gives activations."""

    layer_names = ("hidden",)

    def __init__(self, activations: Any, n_classes: int) -> None:
        self.activations, self.nb_classes = activations, n_classes

    def get_activations(self, x: Any, layer: Any, batch_size: int, **_: Any) -> Any:
        """Those of all rows; the toolbox asks for them in order and at once."""
        del layer, batch_size
        return self.activations[: len(x)]


def told_cleanlab(x: Any, y: Any, clean: Any) -> dict[str, Any]:
    del clean
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    chances = cross_val_predict(model, x, y, cv=5, method="predict_proba")
    return {"scores": (1 - get_label_quality_scores(y, chances)).tolist()}


def told_clustering(x: Any, y: Any, clean: Any) -> dict[str, Any]:
    del clean
    from art.defences.detector.poison import ActivationDefence

    scaled, hidden = network(x, y)
    n_classes = int(y.max()) + 1
    defence = ActivationDefence(Hidden(hidden, n_classes), scaled, np.eye(n_classes)[y])
    _, is_clean = defence.detect_poison(nb_clusters=2, nb_dims=10, reduce="PCA")
    return {"flags": (1 - np.asarray(is_clean)).tolist()}


def told_spectral(x: Any, y: Any, clean: Any) -> dict[str, Any]:
    del clean
    from art.defences.detector.poison import SpectralSignatureDefense

    _, hidden = network(x, y)
    scores = np.zeros(len(y))
    for label in np.unique(y):
        at = np.flatnonzero(y == label)
        found = SpectralSignatureDefense.spectral_signature_scores(hidden[at])
        scores[at] = np.argsort(np.argsort(np.asarray(found).ravel())) / len(at)  # by class
    return {"scores": scores.tolist()}


def told_evidently(x: Any, y: Any, clean: Any) -> dict[str, Any]:
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    old, new = (
        pd.DataFrame(a[:, :60], columns=[f"c{i}" for i in range(a[:, :60].shape[1])]).assign(y=b)
        for a, b in (clean, (x, y))
    )
    report = Report([DataDriftPreset()]).run(new, old)
    drifted = report.dict()["metrics"][0]["value"]["count"]
    return {"alarm": bool(drifted), "told": f"{drifted:.0f} columns"}


def told_expectations(x: Any, y: Any, clean: Any) -> dict[str, Any]:
    import great_expectations as gx
    import pandas as pd

    old, labels = clean
    context = gx.get_context(mode="ephemeral")
    frame = pd.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])]).assign(y=y)
    batch = (
        context.data_sources.add_pandas("pandas")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame})
    )
    asked = [
        gx.expectations.ExpectColumnValuesToBeBetween(
            column=f"c{i}", min_value=float(old[:, i].min()), max_value=float(old[:, i].max())
        )
        for i in range(min(old.shape[1], 60))
    ]
    asked.append(
        gx.expectations.ExpectColumnValuesToBeInSet(
            column="y", value_set=np.unique(labels).tolist()
        )
    )
    failed = sum(not batch.validate(one).success for one in asked)
    return {"alarm": bool(failed), "told": f"{failed} of {len(asked)} expectations"}


TOLD: dict[str, Callable[[Any, Any, Any], dict[str, Any]]] = dict(
    zip(
        PEERS,
        (told_cleanlab, told_clustering, told_spectral, told_evidently, told_expectations),
        strict=True,
    )
)


def as_peer(peer: str, path: str) -> None:
    """The side of a peer: read the set, print what it says as JSON."""
    with np.load(path) as found:
        x, y, clean = found["x"], found["y"], (found["clean_x"], found["clean_y"])
    try:
        begun = time.process_time()
        answer = TOLD[peer](x, y, clean)
        answer["cpu_s"] = time.process_time() - begun
    except ImportError as error:
        answer = {"missing": str(error)}
    print(json.dumps(answer))


def asked(python: str, peer: str, path: Path) -> dict[str, Any]:
    """What a peer says in its own environment."""
    done = subprocess.run(
        [python, __file__, "--as", peer, str(path)], capture_output=True, check=False, text=True
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return {"missing": f"it ended with: {last[:120]}"}
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


# Both ------------------------------------------------------------------------------------------


def compared(name: str, seeds: int, python: str | None, folder: Path) -> None:
    """Print a line for each side."""
    said: dict[str, list[dict[str, Any]]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        subject, clean, rows, changed = attacked(name, seed)
        is_changed = np.isin(np.arange(len(rows[1])), changed)
        scores, cpu_s = ours(name, subject)
        said.setdefault("hauberk", []).append(
            measured({"scores": scores.tolist(), "cpu_s": cpu_s}, is_changed)
        )
        path = folder / "set.npz"
        np.savez(path, x=rows[0], y=rows[1], clean_x=clean[0], clean_y=clean[1])
        for peer in PEERS if python else ():
            answer = asked(python or "", peer, path)
            said.setdefault(peer, []).append(measured(answer, is_changed))
    for side, found in said.items():
        print(f"{name:<22} {side:<22} {_line(found)}", flush=True)


def measured(answer: dict[str, Any], is_changed: Any) -> dict[str, Any]:
    """Recall and false alarms of scores or flags."""
    from hauberk.methods.metrics import rate_at

    if "scores" in answer:
        answer["recall"] = rate_at(is_changed, np.array(answer.pop("scores")), RATE)
        answer["false"] = RATE
    elif "flags" in answer:
        flags = np.array(answer.pop("flags"), bool)
        answer["recall"], answer["false"] = flags[is_changed].mean(), flags[~is_changed].mean()
    return answer


def _line(found: list[dict[str, Any]]) -> str:
    if "missing" in found[0]:
        return f"not compared: {found[0]['missing']}"
    cost = f"{np.mean([one['cpu_s'] for one in found]):.2f} CPU-s"
    if "recall" not in found[0]:
        n_alarms = sum(one["alarm"] for one in found)
        return f"alarm in {n_alarms} of {len(found)} ({found[0]['told']}), no rows; {cost}"
    recalls = [one["recall"] for one in found]
    false = np.mean([one["false"] for one in found])
    spread = f"{min(recalls):.2f} to {max(recalls):.2f}"
    return f"recall {np.mean(recalls):.2f} ({spread}) at {false:.1%} false; {cost}"


def main() -> int:
    """Compare, or be one of the compared."""
    if sys.argv[1:2] == ["--as"]:
        as_peer(sys.argv[2], sys.argv[3])
        return 0
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", type=Path, metavar="VENV")
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--only", default="", metavar="WORD", help="attacks whose name has it")
    args = parser.parse_args()
    python = None if args.peers is None else str(args.peers / "bin" / "python")
    with tempfile.TemporaryDirectory() as folder:
        for name in ATTACKS:
            if args.only in name:
                compared(name, args.seeds, python, Path(folder))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
