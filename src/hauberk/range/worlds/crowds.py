"""Rows with the people who gave or labelled them, all honest: slips, but no intent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Dataset
from hauberk.core.finding import Assessment
from hauberk.errors import UnavailableError
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.range.subjects import digits, images_with_labels

FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""

CLASSES = (
    "shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "blouse",
    "sneaker",
    "bag",
    "boot",
)
WHO = "who"
N_ANNOTATORS = 30
N_VOTES = 3
N_CARELESS = 3
N_SOURCES = 20
SLIPS = 0.01


def annotated(seed: int, *, n_items: int = 1_000, gold: int = 0) -> Dataset:
    """Digits, each labelled by three of thirty annotators of different skill.

    Args:
        gold: Rows at the end whose label an annotator called ``gold`` gives.
    """
    import numpy as np

    rng = np.random.default_rng([seed, 2])
    rows = rewrite.table(digits(seed, n_items))
    truth = np.array(rows.column("digit").to_pylist())
    votes = [rng.choice(N_ANNOTATORS, N_VOTES, replace=False) for _ in range(n_items)]
    items, people = np.repeat(np.arange(n_items), N_VOTES), np.concatenate(votes)
    skill = rng.uniform(0.01, 0.06, N_ANNOTATORS)
    skill[rng.choice(N_ANNOTATORS, N_CARELESS, replace=False)] = 0.12
    slips = rng.random(items.size) < skill[people]
    labels = truth[items]
    labels[slips] = rng.integers(0, 10, int(slips.sum())).astype(str)
    known = rng.choice(n_items, gold, replace=False)
    names = np.char.add("a", np.char.zfill(people.astype(str), 2))
    return _table(
        rows,
        np.concatenate([items, known]),
        np.concatenate([labels, truth[known]]),
        np.concatenate([names, np.full(gold, "gold")]),
        annotator=WHO,
    )


def contributed(seed: int, *, n_rows: int = 6_000) -> Dataset:
    """Pictures of clothes, given by twenty contributors with few slips.

    Raises:
        UnavailableError: The pictures are not installed.
    """
    import numpy as np

    rng = np.random.default_rng([seed, 3])
    images, labels = fashion()
    chosen = rng.permutation(len(labels))[:n_rows]
    names = labels[chosen].copy()
    slips = rng.random(n_rows) < SLIPS
    names[slips] = rng.permutation(names)[: int(slips.sum())]
    rows = rewrite.table(images_with_labels("c", images[chosen], names, label="digit"))
    who = np.char.add("s", np.char.zfill(rng.integers(0, N_SOURCES, n_rows).astype(str), 2))
    return _table(rows, np.arange(n_rows), names, who, source=WHO)


@cache
def fashion() -> tuple[Any, Any]:
    """All training pictures, 14 x 14, and the names of their classes."""
    import gzip

    import numpy as np

    if not FASHION.is_dir():
        raise UnavailableError(
            "the pictures of clothes are not installed", hint="apt install dataset-fashion-mnist"
        )
    raw = gzip.decompress((FASHION / "train-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).round().astype(np.uint8)
    codes = np.frombuffer(
        gzip.decompress((FASHION / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8
    )
    names = [
        "shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "blouse",
        "sneaker",
        "bag",
        "boot",
    ]
    return small, np.array(names)[codes]


def mean_scores(assessment: Assessment, subject: Dataset) -> Mapping[str, float]:
    """Mean score of each person's rows, but for those who are known to be right."""
    scores = [score for _, part in assessment.scores[0].read() for score in part]
    names = [str(name) for batch in subject.read() for name in batch.column(WHO).to_pylist()]
    by_name: dict[str, list[float]] = {}
    for name, score in zip(names, scores, strict=True):
        by_name.setdefault(name, []).append(score)
    by_name.pop("gold", None)
    return {name: sum(own) / len(own) for name, own in sorted(by_name.items())}


def _table(rows: Any, items: Any, labels: Any, who: Any, **role: str) -> Dataset:
    import pyarrow as pa

    images = rows.column("image").take(pa.array(items))
    batch = pa.RecordBatch.from_arrays(
        [images, pa.array(labels), pa.array(who)], names=["image", "digit", WHO]
    )
    return table_of("crowd", [batch], label="digit", **role)
