"""`hauberk scan` as its users call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import hauberk.report
from hauberk.cli import main
from hauberk.methods.pickle_writing import call, name, text, whole

PAYLOAD = whole(call(name("os.system"), text("id")))


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(PAYLOAD)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.bin"
    path.write_bytes(whole(b"]"))
    return path


def test_exit_codes_follow_the_verdict(bad: Path, good: Path, tmp_path: Path) -> None:
    unread = tmp_path / "m.7z"
    unread.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(50))
    assert main(["scan", str(good)]) == 0
    assert main(["scan", str(bad)]) == 1
    assert main(["scan", str(tmp_path / "none")]) == 2
    assert main(["scan", str(unread)]) == 3
    assert main(["scan", str(unread), str(bad)]) == 1


def test_json_keeps_its_schema(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["scan", str(bad), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    schema = Path(hauberk.report.__file__).with_name("scan.schema.json")
    jsonschema.validate(document, json.loads(schema.read_text("utf-8")))
    assert document["findings"][0]["control"] == "model/unsafe-opcodes"
    assert document["findings"][0]["threats"] == ["EX-1"]
    assert document["summary"]["exit_code"] == 1


@pytest.mark.parametrize(("form", "begins"), [("sarif", "{"), ("html", "<!")])
def test_other_formats_are_written_to_a_file(
    bad: Path, tmp_path: Path, form: str, begins: str
) -> None:
    out = tmp_path / "out"
    assert main(["scan", str(bad), "--format", form, "--output", str(out)]) == 1
    assert out.read_text("utf-8").lower().startswith(begins)


def test_text_shows_the_decoded_call(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["scan", str(bad)])
    assert "os.system('id')" in capsys.readouterr().out


def test_a_hostile_name_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "\x1b[2Jm\n.pkl"
    path.write_bytes(PAYLOAD)
    main(["scan", str(path)])
    assert "\x1b[2J" not in capsys.readouterr().out


def test_a_rows_file_of_another_kind_is_refused_before_the_work(bad: Path, tmp_path: Path) -> None:
    assert main(["scan", str(bad), "--rows", str(tmp_path / "rows.txt")]) == 2


def test_arrays_are_named_as_documented(bad: Path) -> None:
    assert main(["scan", str(bad), "--arrays", "Z=a"]) == 2
    assert main(["scan", str(bad), "--arrays", "X=a,y=b"]) == 1


def test_an_unknown_flag_is_a_usage_error(bad: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["scan", str(bad), "--frobnicate"])
    assert stopped.value.code == 2


def test_scanning_a_model_file_loads_no_heavy_library(good: Path) -> None:
    code = (
        "import sys; from hauberk.cli import main; main(['scan', sys.argv[1]]);"
        "print([m for m in ('numpy', 'pyarrow', 'sklearn', 'scipy', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(good)], capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip().endswith("[]")
