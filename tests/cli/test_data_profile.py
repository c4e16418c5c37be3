"""`hauberk data profile`, as a user calls it."""

from __future__ import annotations

import json

from hauberk.cli import main
from hauberk.formats.tables import open_table, write_table
from hauberk.range.subjects import generated
from hauberk.sketches.profile import profile_of


def test_a_profile_is_shown_and_written_whoever_works_it_out(tmp_path, capsys):
    path, output = tmp_path / "rows.parquet", tmp_path / "profile.json"
    write_table(generated(1, 200), path)
    words = ["data", "profile", str(path), "--label", "class", "--output", str(output)]
    assert main([*words, "--parts", "3"]) == 0
    assert "200 rows" in capsys.readouterr().out
    assert output.read_bytes() == profile_of(open_table(path, label="class")).to_bytes()
    assert json.loads(output.read_bytes())["rows"] == 200


def test_an_engine_that_is_none_is_a_usage_error(tmp_path, capsys):
    path = tmp_path / "rows.parquet"
    write_table(generated(1, 60), path)
    assert main(["data", "profile", str(path), "--engine", "spark"]) == 2
    assert "no such engine" in capsys.readouterr().err
