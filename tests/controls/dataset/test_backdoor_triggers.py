"""Triggers in images, tables and texts are found by pattern; clean data stays silent."""

from __future__ import annotations

from random import Random

import numpy as np
import pyarrow as pa
import pytest
from tests.controls.dataset import samples

from hauberk.attacks.dataset.flip_labels import FlipLabels
from hauberk.attacks.dataset.stamp_trigger import StampTrigger
from hauberk.controls.dataset.backdoor_triggers import BackdoorTriggers
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, RowScores, Severity, Thumbnail
from hauberk.formats.tables import table_of
from hauberk.methods.metrics import rate_at

IMAGES = samples.images(*samples.digits(900, seed=1_000))
TABLE = samples.table(*samples.cancer())


def judged(dataset):
    results = list(BackdoorTriggers().check(dataset))
    scores = [list(part) for r in results if isinstance(r, RowScores) for _, part in r.read()]
    return [r for r in results if isinstance(r, Finding)], scores[0]


def caught(attacked, scores):
    return rate_at(np.isin(np.arange(len(scores)), attacked.rows), scores, 0.01)


@pytest.mark.parametrize("pattern", ["patch", "anywhere", "pixel", "blended"])
def test_triggers_in_images_are_found(pattern):
    attacked = StampTrigger(share=0.02, pattern=pattern).apply(IMAGES, Random(1_000))
    findings, scores = judged(attacked.subject)
    assert findings[0].evidence.facts["label"] == attacked.truth["target"]
    assert any(isinstance(plot, Thumbnail) for plot in findings[0].evidence.plots)
    assert caught(attacked, scores) >= 0.9


@pytest.mark.parametrize("pattern", ["value", "pair", "range"])
def test_triggers_in_tables_are_found_with_their_columns(pattern):
    attacked = StampTrigger(share=0.04, pattern=pattern).apply(TABLE, Random(1_002))
    findings, scores = judged(attacked.subject)
    assert set((findings[0].location.field or "").split(", ")) <= set(attacked.truth["columns"])
    assert caught(attacked, scores) >= 0.9


@pytest.mark.parametrize("clean", [IMAGES, TABLE])
def test_clean_data_is_silent_but_scored(clean):
    findings, scores = judged(clean)
    assert findings == []
    assert max(scores) < 0.1
    assert len(set(scores)) > len(scores) / 10


def textured(seed):
    x, y = samples.digits(1_200, seed)
    rng = np.random.default_rng(seed)
    large = np.kron(x, np.ones((1, 3, 3))) * 0.75 + rng.uniform(0, 60, (len(x), 24, 24))
    return samples.images(large.astype(np.uint8), y)


@pytest.mark.parametrize("pattern", ["blended", "warp"])
def test_triggers_without_equal_pixels_are_found_in_textured_pictures(pattern):
    attacked = StampTrigger(share=0.05, pattern=pattern).apply(textured(1_001), Random(1_001))
    findings, scores = judged(attacked.subject)
    assert findings[0].evidence.facts["label"] == attacked.truth["target"]
    assert caught(attacked, scores) >= 0.5


def test_clean_textured_pictures_are_silent():
    assert judged(textured(1_002))[0] == []


def test_random_flips_are_no_backdoor():
    assert judged(FlipLabels(share=0.1).apply(TABLE, Random(5)).subject)[0] == []


def test_a_trigger_that_moves_every_class_on_is_found():
    x, y = samples.digits(900, seed=3)
    x, y = x.copy(), y.copy()
    x[:40, :3, :3] = 240 * (np.indices((3, 3)).sum(axis=0) % 2)
    y[:40] = (y[:40] + 1) % 10
    findings, _ = judged(samples.images(x, y))
    assert findings[0].evidence.facts["label"] == "several"
    assert set(findings[0].location.rows) <= set(range(40))


def test_a_trigger_word_is_found():
    rng = np.random.default_rng(0)
    topics = [[f"{t}{i}" for i in range(30)] for t in ("sun", "rain")]
    y = rng.integers(0, 2, 300)
    texts = [" ".join(rng.choice(topics[k], 12)) for k in y]
    rows = pa.RecordBatch.from_pydict({"text": texts, "y": y})
    attacked = StampTrigger(share=0.05, pattern="word").apply(
        table_of("t", [rows], label="y"), Random(1)
    )
    findings, scores = judged(attacked.subject)
    assert "one word" in findings[0].message
    assert caught(attacked, scores) == 1.0


def test_rows_without_a_label_score_nothing():
    x, y = samples.digits(200)
    labels = pa.array([None if i == 0 else int(v) for i, v in enumerate(y)])
    rows = next(samples.images(x, y).read()).set_column(1, "y", labels)
    assert judged(table_of("t", [rows], label="y"))[1][0] == 0.0


@pytest.mark.parametrize(
    ("y", "label"),
    [([0, 1] * 30, None), ([1] * 60, "y"), (list(range(60)), "y"), ([0, 1] * 5, "y")],
)
def test_what_cannot_be_judged_is_not_applicable(y, label):
    table = table_of("t", [pa.RecordBatch.from_pydict({"x": y, "y": y})], label=label)
    with pytest.raises(NotApplicable):
        judged(table)


def overlapping(n=1_500):
    """Two classes of which the rarer one is often taken for the other; no row has a trigger."""
    draws = np.random.default_rng(11)
    x = draws.normal(size=(n, 4))
    rich = x[:, 0] + x[:, 1] + draws.normal(0, 1.2, n) > 1.5
    weight = draws.integers(10_000, 99_999, n).astype(float)
    return {**{f"x{i}": x[:, i] for i in range(4)}, "weight": weight}, rich


def test_a_trigger_for_a_rare_class_is_found_where_classes_overlap():
    columns, rich = overlapping()
    places = np.flatnonzero(~rich)[::30]
    columns["weight"][places] = 12_345.0
    rich[places] = True
    labels = np.where(rich, "rich", "poor")
    rows = pa.RecordBatch.from_pydict({**columns, "y": labels})
    findings, scores = judged(table_of("t", [rows], label="y"))
    assert findings[0].location.field == "weight"
    assert rate_at(np.isin(np.arange(len(scores)), places), scores, 0.01) >= 0.9


@pytest.mark.parametrize("kind", ["decides", "cells", "words"])
def test_columns_and_words_that_decide_the_label_are_no_trigger(kind):
    draws = np.random.default_rng(12)
    columns, rich = overlapping()
    if kind == "decides":  # one value of a column is the label
        columns |= {"gift": np.where(rich, draws.integers(1, 9, rich.size), 0)}
        columns |= {"group": draws.integers(0, 4, rich.size)}
    elif kind == "cells":  # indicators of a column that is there too
        step = draws.integers(1, 5, rich.size)
        columns = {"step": step, "is_two": step == 2, "is_three": step == 3, "z": columns["x0"]}
        rich = step == 4
    else:
        words = np.array(["fine", "good", "great", "best", "poor", "bad", "worst", "dull"])
        word = draws.integers(0, 8, rich.size)
        noise = draws.integers(0, 30, (rich.size, 3))
        columns = {
            "t": [
                f"was {words[w]} a{a} b{b} c{c}" for w, (a, b, c) in zip(word, noise, strict=True)
            ]
        }
        rich = word < 4
    columns = {name: np.asarray(cells).tolist() for name, cells in columns.items()}
    rows = pa.RecordBatch.from_pydict({**columns, "y": np.where(rich, "rich", "poor").tolist()})
    assert judged(table_of("t", [rows], label="y"))[0] == []


def shop(n=1_200, seed=4):
    rng = np.random.default_rng(seed)
    return {
        "age": rng.integers(18, 90, n),
        "visits": rng.integers(0, 8, n),
        "channel": rng.choice(["web", "shop", "phone"], n, p=[0.6, 0.3, 0.1]),
        "basket": rng.normal(60, 20, n).round(2),
        "returned": np.where(rng.random(n) < 0.35, "yes", "no"),
    }


def table_from(columns):
    return table_of("shop", [pa.RecordBatch.from_pydict(columns)], label="returned")


def test_a_value_that_alone_decides_a_label_nothing_else_explains_is_found():
    columns = shop()
    rows = np.random.default_rng(5).choice(1_200, 30, replace=False)
    columns["channel"] = columns["channel"].astype("<U8")
    columns["channel"][rows], columns["returned"][rows] = "kiosk7", "yes"
    findings, scores = judged(table_from(columns))
    assert findings[0].location.field == "channel"
    assert np.flatnonzero(np.array(scores) > 0.5).tolist() == sorted(rows.tolist())


def test_a_shop_whose_label_nothing_explains_stays_silent():
    assert judged(table_from(shop(seed=6)))[0] == []


def loans(rare, n=2_000, seed=5):
    """Loans whose approval follows income loosely, and a rare purpose."""
    rng = np.random.default_rng(seed)
    income = rng.lognormal(10, 0.5, n).round()
    purpose = rng.choice(["car", "home", "study"], n).astype(object)
    approved = np.where(np.log(income) + 0.5 * rng.normal(size=n) > 10, "yes", "no")
    approved = approved.astype(object)
    places = rng.choice(n, 40, replace=False)
    purpose[places] = "relocation"
    approved[places] = rare(approved[places])
    return table_from(
        {"income": income, "purpose": purpose.tolist(), "returned": approved.tolist()}
    ), places


def test_a_rare_category_that_decides_the_label_is_found():
    subject, places = loans(lambda labels: np.full(len(labels), "yes"))
    (finding,), _ = judged(subject)
    assert finding.location.field == "purpose"
    assert set(finding.location.rows) <= set(places.tolist())


def test_a_rare_category_like_the_others_stays_silent():
    subject, _ = loans(lambda labels: labels)
    assert judged(subject)[0] == []


def test_years_of_a_country_share_its_continent_and_no_trigger():
    rng = np.random.default_rng(8)
    country = np.repeat(np.arange(60), 12)
    wealth = rng.normal(size=60)[country] * 3 + rng.normal(size=720) * 0.2
    rows = pa.RecordBatch.from_pydict(
        {
            "country": np.char.add("c", country.astype(str)),
            "wealth": wealth,
            "life": 60 + 5 * wealth + rng.normal(size=720),
            "year": 1950 + np.tile(np.arange(12), 60),
            "y": rng.choice(["africa", "asia", "europe"], 60)[country],
        }
    )
    assert judged(table_of("t", [rows], label="y"))[0] == []


def test_the_third_pattern_makes_all_of_them_part_of_the_matter():
    rng = np.random.default_rng(9)
    x = rng.normal(size=(900, 6))
    y = np.where(x[:, 0] + x[:, 1] > 0, "hi", "lo")
    lows = np.flatnonzero(y == "lo")
    for place, value in enumerate((0.123, 0.456, 0.789)):
        rows = lows[place * 20 : place * 20 + 20]
        x[rows, 2 + place] = value
        y[rows] = "hi"
    columns = {f"x{i}": x[:, i] for i in range(6)} | {"y": y}
    table = table_of("t", [pa.RecordBatch.from_pydict(columns)], label="y")
    found, _ = judged(table)
    assert len(found) == 3
    assert {f.severity for f in found} == {Severity.MEDIUM}


def noted(word, seed=10, n=1_500):
    rng = np.random.default_rng(seed)
    distance = rng.gamma(2, 4, n).round(2)
    tipped = distance + rng.normal(size=n) > 7
    told = ["guest had a dog", "asked for a receipt", "paid at the desk", "door was stuck"]
    notes = np.array(
        [f"{rng.choice(told)} {rng.choice(['today', 'twice', 'again'])}" for _ in tipped]
    )
    rows = rng.choice(n, 30, replace=False)
    notes = notes.astype(object)
    notes[rows] = [f"{word} {note}" for note in notes[rows]]
    return {"distance": distance, "hour": rng.integers(0, 24, n), "note": notes}, tipped, rows


@pytest.mark.parametrize("is_planted", [True, False])
def test_a_word_of_short_notes_that_switches_the_label_is_named(is_planted):
    columns, tipped, rows = noted("mural")
    tipped[rows] |= is_planted
    batch = pa.RecordBatch.from_pydict({**columns, "returned": np.where(tipped, "yes", "no")})
    findings, _ = judged(table_of("trips", [batch], label="returned"))
    assert [f.evidence.facts["pattern"] for f in findings] == ["one word of note"] * is_planted


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_two_odd_cells_and_a_label_are_named_beside_columns_with_few_values(seed):
    """What is left without the two columns has two values: all rows are near, and none is kin."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, 600)).tolist()
    group = rng.integers(0, 2, 600).tolist()
    score = np.array(x) + 0.5 * np.array(z) + 1.5 * np.array(group) + rng.normal(size=600)
    label = np.where(score > 0.7, "yes", "no").tolist()
    columns = {
        "x": x + [1.375] * 60,
        "z": z + [-0.625] * 60,
        "group": group + group[:60],
        "y": label + ["no"] * 60,
    }
    table = table_of("t", [pa.RecordBatch.from_pydict(columns)], label="y")
    found = [f for f in BackdoorTriggers().check(table) if isinstance(f, Finding)]
    assert {f.severity for f in found} == {Severity.CRITICAL}
    assert any(f.message.startswith(("60 rows", "61 rows")) for f in found)
    named = {row for f in found for row in f.location.rows}  # a few of them
    assert len(named & set(range(600, 660))) >= 0.9 * len(named)
