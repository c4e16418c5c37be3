import json

import pytest

from hauberk.catalogue.measured import figures as kept_figures
from hauberk.cli import main
from hauberk.cli import range as verb
from hauberk.core.threat import ThreatId
from hauberk.errors import InternalError, UnavailableError
from hauberk.range import measure as running
from hauberk.range import scenario as scenarios
from hauberk.range.measure import REPORTING_SEED, measure, run
from hauberk.range.scenario import Scenario, Trial

KEYS = {
    "threat",
    "attack",
    "control",
    "metric",
    "potency",
    "value",
    "interval",
    "false_alarm_rate",
    "target",
    "met",
    "trials",
    "seconds",
}
EX_9 = ThreatId("EX-9")


def scenario_of(play) -> Scenario:
    return Scenario(
        threat=EX_9,
        attack="model/edit-template",
        control="model/unsafe-templates",
        play=play,
        parts=(("refused", ""),),
    )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """A range in which only EX-9 has a scenario, and figures go to a folder of the test."""
    seeds: list[int] = []

    def play(seed: int) -> Trial:
        seeds.append(seed)
        return Trial(values={"refused": 1}, potent=True, false_alarm=0)

    given = {EX_9: (scenario_of(play),)}
    monkeypatch.setattr(running, "scenarios", lambda ids: {i: given[i] for i in ids if i in given})
    monkeypatch.setattr(verb, "has_scenario", lambda threat_id: threat_id in given)
    monkeypatch.setattr(verb, "FOLDER", tmp_path / "figures")
    return seeds


def test_each_trial_has_the_next_reporting_seed(world):
    (score,) = run([EX_9])
    assert world == list(range(REPORTING_SEED, REPORTING_SEED + score.trials))
    assert score.state == "met"


def test_a_place_that_lacks_something_voids_the_row_and_says_so():
    def play(_seed: int) -> Trial:
        raise UnavailableError("no namespaces here")

    (score,) = measure(scenario_of(play))
    assert score.state == "void"
    assert "no namespaces here" in score.note


def test_a_part_that_the_catalogue_lacks_is_refused():
    wrong = Scenario(
        threat=EX_9, attack="a", control="c", play=lambda _: Trial(), parts=(("refused", "x"),)
    )
    with pytest.raises(InternalError, match="part that the catalogue does not have"):
        measure(wrong)


def test_json_has_the_promised_keys(world, capsys):
    assert main(["range", "--threat", "ex-9", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row.keys() >= KEYS
    assert row["met"] is True


def test_text_fits_eighty_columns(world, capsys):
    assert main(["range", "--component", "model-export,serving"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "MET" in text


def test_figures_are_kept_for_whole_runs_only(world, capsys, tmp_path):
    assert main(["range", "--threat", "EX-9", "--write", "--trials", "3"]) == 2
    assert main(["range", "--threat", "EX-9", "--write"]) == 0
    assert kept_figures(tmp_path / "figures")[EX_9][0].state == "met"


def test_figures_stay_where_a_scenario_cannot_run_here(world, capsys, tmp_path, monkeypatch):
    """A machine without some data set must not wipe out what another one measured."""
    assert main(["range", "--threat", "EX-9", "--write"]) == 0

    def play(_seed: int) -> Trial:
        raise UnavailableError("no pictures here")

    monkeypatch.setattr(running, "scenarios", lambda ids: dict.fromkeys(ids, (scenario_of(play),)))
    main(["range", "--threat", "EX-9", "--write"])
    assert "left as they were" in capsys.readouterr().err
    assert kept_figures(tmp_path / "figures")[EX_9][0].state == "met"


def test_output_goes_to_the_file(world, capsys, tmp_path):
    path = tmp_path / "result.json"
    words = ["range", "--threat", "EX-9", "--format", "json", "--output", str(path)]
    assert main(words) == 0
    assert len(json.loads(path.read_text())["results"]) == 1
    assert capsys.readouterr().out == ""


def test_nothing_to_measure_is_not_a_success(world, capsys):
    assert main(["range", "--threat", "AQ-1"]) == 3
    assert "no scenario yet, not measured: AQ-1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--threat", "QQ-1"], ["--component", "kitchen"], ["--trials", "0"]]
)
def test_impossible_wishes_are_usage_errors(world, capsys, words):
    assert main(["range", *words]) == 2


def test_an_interruption_keeps_the_finished_rows(world, capsys, monkeypatch):
    finished = running.scenarios([EX_9])[EX_9][0]

    def interrupted(_seed: int) -> Trial:
        raise KeyboardInterrupt

    both = (finished, scenario_of(interrupted))
    monkeypatch.setattr(running, "scenarios", lambda ids: dict.fromkeys(ids, both))
    assert main(["range", "--threat", "EX-9", "--write", "--format", "json"]) == 130
    assert len(json.loads(capsys.readouterr().out)["results"]) == 1
    assert not verb.FOLDER.exists()


def test_a_module_must_hold_the_scenarios_of_its_threat(monkeypatch):
    monkeypatch.setattr(scenarios, "_module", lambda _id: "__init__")
    with pytest.raises(InternalError, match="holds the scenarios of one threat"):
        scenarios.scenarios([EX_9])
