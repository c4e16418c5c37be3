"""Reports that are scanned beside the rows of training."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from hauberk.attacks.model.quote_rows import QuoteRows
from hauberk.cli import main
from hauberk.errors import ArtifactError
from hauberk.formats.report_text import open_report
from hauberk.formats.tables import write_table
from hauberk.range.worlds.reports import honest_report


@pytest.fixture
def train(tmp_path: Path) -> Path:
    write_table(honest_report(9002).train, tmp_path / "train.csv")
    return tmp_path / "train.csv"


@pytest.mark.parametrize("name", ["report.md", "report.html", "debug.log"])
def test_a_report_with_training_rows_fails_the_scan(name, train, tmp_path, capsys):
    attacked = QuoteRows(n_rows=2).apply(honest_report(9002), Random(1))
    (tmp_path / name).write_text(attacked.subject.text, "utf-8")
    code = main(["scan", str(tmp_path / name), "--train", str(train), "--format", "json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert code == 1
    assert [item["control"] for item in found] == ["model/leaking-report"]


def test_a_notebook_is_read_without_its_escapes(train, tmp_path):
    attacked = QuoteRows().apply(honest_report(9002), Random(1))
    cells = [
        {
            "cell_type": "code",
            "source": [],
            "metadata": {},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": attacked.subject.text}],
        }
    ]
    path = tmp_path / "train.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}), "utf-8")
    assert main(["scan", str(path), "--train", str(train)]) == 1


def test_an_honest_report_passes_the_scan(train, tmp_path):
    (tmp_path / "report.md").write_text(honest_report(9002).text, "utf-8")
    assert main(["scan", str(tmp_path / "report.md"), "--train", str(train)]) == 0


def test_a_report_of_zero_bytes_is_not_judged(tmp_path):
    (tmp_path / "report.md").write_bytes(b"text\0text")
    with pytest.raises(ArtifactError, match="not a text"):
        open_report(tmp_path / "report.md", honest_report(9002).train)
