"""What `verify` and `explain` print of a chain."""

from __future__ import annotations

import json

from hauberk.lifecycle.chain_text import as_json, tree_lines, verified_lines
from hauberk.lifecycle.settings import load
from hauberk.lifecycle.verification import verify_project
from hauberk.range.forgeries import Site


def test_the_tree_leads_from_the_release_to_the_sources(finished: Site) -> None:
    lines = list(tree_lines(verify_project(load(finished.root), finished.configuration)))
    assert lines[0].startswith("tumours version 1, staging")
    steps = [line for line in lines if line.startswith(("├─", "└─"))]
    assert "serving" in steps[1]
    assert "acquisition.examinations" in steps[-1]
    assert any("took data/train.csv" in line for line in lines)


def test_what_was_verified_is_said_with_its_reservations(finished: Site) -> None:
    text = "\n".join(verified_lines(verify_project(load(finished.root), finished.configuration)))
    assert "pinned outside the project" in text
    assert "not witnessed" in text


def test_json_holds_the_same(finished: Site) -> None:
    value = as_json(verify_project(load(finished.root), finished.configuration))
    again = json.loads(json.dumps(value))
    assert next(step["name"] for step in again["steps"]) == "acquisition.examinations"
    assert again["files"]["hauberk/bundle/model.onnx"].startswith("sha256:")
