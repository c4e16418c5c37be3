import json

import pytest

from hauberk.cli import main

KEYS = {"id", "stage", "component", "mode", "kind", "controls", "attacks", "figure"}
PART_KEYS = {"metric", "value", "interval", "false_alarm_rate", "target", "met", "trials"}


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict]:
    assert main(["threats", *words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)["threats"]


def test_json_holds_every_threat_with_the_promised_keys(capsys):
    found = rows(capsys)
    assert len(found) == 106
    assert all(row.keys() >= KEYS for row in found)


def test_measured_figures_have_the_promised_parts(capsys):
    figures = [row["figure"] for row in rows(capsys) if row["figure"]]
    assert all(figure.keys() >= {"met", "measured", "parts"} for figure in figures)
    assert all(part.keys() >= PART_KEYS for figure in figures for part in figure["parts"])


def test_a_component_and_a_kind_narrow_the_list(capsys):
    found = rows(capsys, "model-export", "--kind", "advisory")
    assert [row["id"] for row in found] == ["EX-12"]


def test_a_component_may_be_written_with_underscores(capsys):
    assert len(rows(capsys, "input_data")) == 6


def test_text_fits_eighty_columns_and_names_every_kind(capsys):
    assert main(["threats"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert all(kind in text for kind in ("preventive", "detective", "advisory", "experimental"))


@pytest.mark.parametrize("threat_id", ["an-1", "EX-1", "XC-6", "OU-5"])
def test_one_threat_is_shown_in_full_within_eighty_columns(capsys, threat_id):
    assert main(["threats", threat_id]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "FIGURE" in text
    assert "Holds:" in text


def test_an_unknown_name_is_a_usage_error_that_lists_the_names(capsys):
    assert main(["threats", "kitchen"]) == 2
    assert "versioned-data" in capsys.readouterr().err


def test_an_empty_choice_says_so(capsys):
    assert main(["threats", "acquisition", "--kind", "experimental"]) == 0
    assert "No experimental threat" in capsys.readouterr().out
