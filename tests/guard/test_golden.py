"""Rows with known answers, held against a bundle before it is served."""

from __future__ import annotations

import json
from random import Random

import pytest

from hauberk.errors import ArtifactError, UsageError
from hauberk.guard import bundle as bundles
from hauberk.guard.golden import Golden, hold_golden, read_golden
from hauberk.range.worlds import sorting

pytest.importorskip("onnx")


def _served(folder, made):
    sorting.write(folder, made)
    return bundles.load(folder, verify=bundles.unverified)


def test_the_genuine_bundle_gives_every_golden_answer(tmp_path):
    made = sorting.parts(Random(1))
    asked = sorting.rows(Random(2), 20)
    path = tmp_path / "golden.json"
    path.write_text(json.dumps({"rows": asked, "expected": sorting.answers(made, asked)}))
    assert hold_golden(_served(tmp_path / "b", made), read_golden(path)) == 20


def test_a_turned_label_map_over_genuine_weights_is_refused(tmp_path):
    made = sorting.parts(Random(1))
    asked = sorting.rows(Random(2), 20)
    golden = Golden(rows=tuple(asked), expected=tuple(sorting.answers(made, asked)))
    turned = sorting.changed(made, labels=made.labels[::-1])
    with pytest.raises(ArtifactError, match="golden"):
        hold_golden(_served(tmp_path / "b", turned), golden)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"rows": [{}], "expected": []}', '{"rows": [1], "expected": [1]}']
)
def test_a_file_that_holds_no_answers_is_a_usage_error(tmp_path, text):
    path = tmp_path / "golden.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="golden"):
        read_golden(path)


def test_no_rows_prove_nothing(tmp_path):
    made = sorting.parts(Random(1))
    with pytest.raises(ArtifactError, match="no golden"):
        hold_golden(_served(tmp_path / "b", made), Golden(rows=(), expected=()))
