"""What docs/contracts.md promises to other programs is what the commands write."""

import json
import re
from pathlib import Path

import pytest

from hauberk.cli import main

_PAGE = Path(__file__).parents[2] / "docs" / "contracts.md"


def _promised(command: str) -> set[str]:
    """The names in backquotes of the paragraph about ``command``, but the command itself."""
    (paragraph,) = (part for part in _PAGE.read_text("utf-8").split("\n\n") if command in part)
    return set(re.findall(r"`([a-z_]+)`", paragraph)) - {"null", "true", "false"}


def test_threats_have_the_promised_fields(capsys: pytest.CaptureFixture[str]):
    assert main(["threats", "EX-1", "--format", "json"]) == 0
    (threat,) = json.loads(capsys.readouterr().out)["threats"]
    figure = threat["figure"]
    fields = {*threat, *figure, *figure["parts"][0]}
    assert _promised("hauberk threats --format json") <= fields


def test_results_have_the_promised_fields(capsys: pytest.CaptureFixture[str]):
    assert main(["range", "--threat", "EX-1", "--trials", "1", "--format", "json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert results
    assert all(_promised("hauberk range --format json") <= set(result) for result in results)
