"""Results kept between scans: never believed unless they are this user's and whole."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest

from hauberk.formats import kept_results
from hauberk.methods.code import reading
from hauberk.report import scan_json
from hauberk.scanner import ScanOptions, scan

DAY = date(2026, 3, 1)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "run.py").write_text("import os, sys\nos.system(sys.argv[1])\n", "utf-8")
    (root / "plain.py").write_text("total = 1 + 1\n", "utf-8")
    (root / "people.py").write_text("if account_id == 'ACC-48213':\n    label = 1\n", "utf-8")
    return root


@pytest.fixture
def parsed(monkeypatch):
    """Names of the files that are read anew."""
    names = []
    plain = reading._read
    monkeypatch.setattr(
        reading, "_read", lambda file, torch: names.append(file.name) or plain(file, torch)
    )
    return names


def told(root, *, cache=True):
    reading._kept.clear()  # What this process remembers is no matter of the folder.
    options = ScanOptions(history=False, cache=cache)
    return scan_json(scan([root], options=options, today=DAY))


def results() -> Path:
    (found,) = (Path(os.environ["XDG_CACHE_HOME"]) / "hauberk").glob("*.results")
    return found


def test_a_report_is_the_same_cold_warm_and_without_a_cache(tree, parsed):
    cold = told(tree)
    assert "run.py" in cold
    assert "people.py" in cold
    assert len(parsed) == 3
    assert told(tree) == cold
    assert len(parsed) == 3
    assert told(tree, cache=False) == cold
    assert len(parsed) == 6


def test_only_what_changed_is_read_anew(tree, parsed):
    told(tree)
    parsed.clear()
    (tree / "plain.py").write_text("import os, sys\nos.popen(sys.argv[1])\n", "utf-8")
    assert "plain.py" in told(tree)
    assert parsed == ["plain.py"]


def test_the_same_content_under_another_name_is_read_anew(tree, parsed):
    told(tree)
    parsed.clear()
    (tree / "plain.py").rename(tree / "other.py")
    told(tree)
    assert parsed == ["other.py"]


@pytest.mark.parametrize("place", [0, 70, -1])
def test_damaged_results_are_read_anew(tree, parsed, place):
    cold = told(tree)
    data = bytearray(results().read_bytes())
    data[place] ^= 1
    results().write_bytes(data)
    parsed.clear()
    assert told(tree) == cold
    assert len(parsed) == 3


def test_results_that_say_clean_without_the_secret_are_not_believed(tree, parsed):
    cold = told(tree)
    path = results()
    entries = json.loads(path.read_bytes()[64:])
    forged = json.dumps({key: [[], "", ""] if value else 0 for key, value in entries.items()})
    code = kept_results.KeptResults(path, b"\0" * 32)._code(forged.encode())
    path.write_bytes(code + forged.encode())
    assert told(tree) == cold
    assert len(parsed) == 6


def test_results_of_another_secret_are_read_anew(tree, parsed):
    cold = told(tree)
    secret = Path(os.environ["XDG_STATE_HOME"]) / "hauberk" / "results.key"
    secret.write_bytes(b"x" * 32)
    assert told(tree) == cold
    assert len(parsed) == 6


def test_results_of_other_rules_are_read_anew(tree, parsed, monkeypatch):
    told(tree)
    monkeypatch.setattr(kept_results, "_version_of_rules", lambda: "others")
    parsed.clear()
    told(tree)
    assert len(parsed) == 3


def test_a_secret_that_others_can_read_is_not_used(tree, parsed):
    told(tree)
    secret = Path(os.environ["XDG_STATE_HOME"]) / "hauberk" / "results.key"
    secret.chmod(0o644)
    parsed.clear()
    told(tree)
    assert len(parsed) == 3


def test_a_folder_that_others_can_write_to_is_not_used(tree, parsed):
    told(tree)
    results().parent.chmod(0o777)
    parsed.clear()
    told(tree)
    assert len(parsed) == 3


def test_a_link_in_place_of_results_is_not_followed(tree, parsed, tmp_path):
    told(tree)
    path = results()
    path.rename(tmp_path / "away")
    path.symlink_to(tmp_path / "away")
    parsed.clear()
    told(tree)
    assert len(parsed) == 3


def test_nothing_is_kept_where_the_folder_cannot_be_made(tree, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    assert told(tree) == told(tree, cache=False)


def test_the_oldest_results_go_when_there_are_too_many(tree, tmp_path, monkeypatch):
    told(tree)
    first = results()
    os.utime(first, (1, 1))
    monkeypatch.setattr(kept_results, "MAX_TOTAL_BYTES", 10)
    other = tmp_path / "another"
    other.mkdir()
    (other / "a.py").write_text("total = 2\n", "utf-8")
    told(other)
    assert not first.exists()
    assert results().exists()


def test_no_credential_is_written_to_the_folder(tree):
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    (tree / "set.py").write_text(f"token = '{token}'\n", "utf-8")
    told(tree)
    assert token.encode() not in results().read_bytes()


def test_a_tree_is_one_state_for_all_controls_while_it_is_written_to(tree):
    from hauberk.formats.source import open_tree

    opened = open_tree(tree, history=False)
    first = [file.text for file in opened.files()]
    (tree / "plain.py").write_text("total = 3\n", "utf-8")
    assert [file.text for file in opened.files()] == first


def test_a_file_that_goes_while_a_tree_is_listed_is_no_part_of_it(tree):
    from hauberk.formats.source import walk_files

    walking = walk_files(tree)
    assert next(walking).name == "people.py"
    (tree / "plain.py").unlink()
    assert [path.name for path in walking] == ["run.py"]
