from pathlib import Path

import pytest

from hauberk.catalogue import answered_by, figures
from hauberk.catalogue.coverage import Answers, joined
from hauberk.engine import discover


@pytest.mark.parametrize("family", ["controls", "attacks"])
def test_reading_the_source_gives_the_same_join_as_importing_it(family: str):
    imported: dict[str, list[str]] = {}
    for item in discover(family):
        for threat_id in item.threats:
            imported.setdefault(threat_id, []).append(item.id)
    assert {key: sorted(ids) for key, ids in joined(family).items()} == {
        key: sorted(ids) for key, ids in imported.items()
    }


def test_ids_are_read_from_any_spelling_of_the_attribute(tmp_path: Path):
    folder = tmp_path / "controls" / "dataset"
    folder.mkdir(parents=True)
    (folder / "label_flips.py").write_text(
        'class LabelFlips:\n    threats = (\n        ThreatId("PP-1"),\n        "AQ-1",\n    )\n'
        '    other = ("AN-1",)\n'
    )
    (folder / "_shared.py").write_text('class A:\n    threats = ("AN-1",)\n')
    (folder / "broken.py").write_text('class B:\n    threats = ("AN-1"\n')
    assert dict(joined("controls", tmp_path)) == {
        "PP-1": ("dataset/label-flips",),
        "AQ-1": ("dataset/label-flips",),
    }


def test_a_gap_says_what_is_missing():
    assert Answers().gap == "no control, no attack"
    assert Answers(controls=("a/b",)).gap == "no attack"
    assert Answers(controls=("a/b",), attacks=("a/c",)).gap == ""


def test_every_measured_threat_has_a_control_and_an_attack():
    assert {threat_id for threat_id in figures() if answered_by(threat_id).gap} == set()
