import json
from dataclasses import replace
from pathlib import Path

import pytest

from hauberk import catalogue
from hauberk.catalogue.measured import FOLDER, figure_of, figures, write_figures
from hauberk.core.attack import Score
from hauberk.core.codec import from_json
from hauberk.core.threat import Comparison, Threat, ThreatId
from hauberk.errors import InternalError


def score_of(threat: Threat, index: int = 0, *, met: bool | None = True) -> Score:
    target = threat.targets[index]
    return Score(
        threat=threat.id,
        attack="dataset/an-attack",
        control="dataset/a-control",
        metric=target.metric,
        comparison=target.comparison,
        target=target.value,
        unit=target.unit,
        trials=target.trials,
        potency=1.0,
        value=target.value,
        interval=(0.5, 1.0),
        false_alarm_rate=0.0,
        met=met,
        state="met" if met else "missed",
        seconds=1.25,
        strength=target.strength or "",
    )


@pytest.fixture
def threat() -> Threat:
    return catalogue.threat(ThreatId("AQ-1"))


def test_a_figure_without_scores_is_not_measured(threat: Threat):
    figure = figure_of(threat, ())
    assert not figure.measured
    assert figure.met is None


def test_a_figure_is_met_only_when_every_part_is(threat: Threat):
    scores = [score_of(threat, index) for index in range(len(threat.targets))]
    assert figure_of(threat, scores).met is True
    assert figure_of(threat, scores[:1]).met is None


def test_one_missed_part_is_a_missed_figure(threat: Threat):
    assert figure_of(threat, [score_of(threat, met=False)]).met is False


def test_a_score_for_another_target_counts_for_nothing(threat: Threat):
    easier = replace(score_of(threat), target=0.1)
    assert not figure_of(threat, [easier]).measured
    assert not figure_of(threat, [replace(easier, comparison=Comparison.AT_MOST)]).measured


def test_written_figures_are_read_back_without_times(tmp_path: Path, threat: Threat):
    write_figures(threat.id, [score_of(threat)], version="1.2.3", folder=tmp_path)
    assert figures(tmp_path)[threat.id] == (replace(score_of(threat), seconds=0.0),)


def test_the_same_scores_give_the_same_bytes(tmp_path: Path, threat: Threat):
    scores = [score_of(threat, index) for index in range(len(threat.targets))]
    first = write_figures(threat.id, scores, version="1", folder=tmp_path / "a").read_bytes()
    second = write_figures(threat.id, scores[::-1], version="1", folder=tmp_path / "b").read_bytes()
    assert first == second


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"schema": 1, "scores": [{}]}',
        b'{"schema": 9, "scores": []}',
        b"{" * 3000,
        b" " * (1 << 21),
    ],
)
def test_a_broken_figure_is_refused(tmp_path: Path, raw: bytes):
    (tmp_path / "AQ-1.json").write_bytes(raw)
    with pytest.raises(InternalError, match=r"AQ-1\.json"):
        figures(tmp_path)


def test_a_figure_under_another_name_is_refused(tmp_path: Path, threat: Threat):
    path = write_figures(threat.id, [score_of(threat)], version="1", folder=tmp_path)
    path.rename(tmp_path / "AQ-3.json")
    with pytest.raises(InternalError, match="a figure names its threat"):
        figures(tmp_path)


def test_shipped_figures_belong_to_threats_and_current_targets():
    for threat_id, scores in figures().items():
        figure = figure_of(catalogue.threat(threat_id))
        counted = {id(part.score) for part in figure.parts if part.score}
        assert counted == {id(score) for score in scores}, threat_id


def test_shipped_figures_hold_no_time_of_day():
    for path in sorted(Path(catalogue.__file__).parent.glob("figures/*.json")):
        body = json.loads(path.read_text("utf-8"))
        assert {score["seconds"] for score in body["scores"]} == {0.0}


def test_reading_by_hand_gives_what_the_codec_gives():
    for path in sorted(FOLDER.glob("*.json")):
        rows = json.loads(path.read_text("utf-8"))["scores"]
        assert figures()[ThreatId(path.stem)] == tuple(from_json(Score, row) for row in rows)
