"""Files of somebody who had not read the rules: at first sight 273 of 290 were flagged."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bypasses.outside_files import Content, everything

from hauberk.cli import main
from hauberk.engine.load_gate import ModelState, scan_model

REFUSED = {ModelState.DANGEROUS, ModelState.MALFORMED}
BY_CHOICE = {
    "torch-data.pt": "a storage that the pickle does not name is never unpickled",
    "elf.bin": "a program that no loader of models starts; under a model's ending it is refused",
    "windows.bin": "as above, and not assessed",
    "script.bin": "a shell script is no model",
    "lightgbm-params.txt": "parameters of the training, which a loader does not act on",
    "label-twice": "two labels of one name say nothing without signed ones to hold against",
}
"""What is not refused, and why."""


def flagged(label: str, content: Content, folder: Path) -> bool:
    place = folder / label
    if isinstance(content, bytes):
        place.write_bytes(content)
        return scan_model(place).state in REFUSED
    place.mkdir()
    for name, data in content.items():
        (place / name).write_bytes(data)
    return main(["scan", str(place), "--jobs", "1", "--no-history"]) == 1


@pytest.mark.parametrize("family", everything())
def test_what_was_written_before_reading_the_rules_is_refused_unless_by_choice(
    tmp_path: Path, family: str
) -> None:
    cases = everything()[family]
    missed = {label for label, data in cases.items() if not flagged(label, data, tmp_path)}
    assert missed == BY_CHOICE.keys() & cases.keys()


@pytest.mark.parametrize(
    "line", ["left_child=-", "left_child=7 8", "num_leaves=9", "right_child=0"]
)
def test_a_tree_of_lightgbm_holds_the_nodes_that_it_claims(tmp_path: Path, line: str) -> None:
    tree = ["num_leaves=2", "left_child=-1", "right_child=-2"]
    key = line.partition("=")[0] + "="
    for name, lines in {
        "good": tree,
        "bad": [line if own.startswith(key) else own for own in tree],
    }.items():
        body = "\n".join(lines)
        (tmp_path / name).write_text(f"tree\nversion=v4\n\nTree=0\n{body}\n\nend of trees\n")
    assert scan_model(tmp_path / "good").state is ModelState.NO_CODE
    assert scan_model(tmp_path / "bad").state in REFUSED
