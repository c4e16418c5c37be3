"""The first minute: `hauberk try` as a newcomer meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hauberk.cli import main


@pytest.mark.slow
def test_the_first_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["try", "--seconds", "2"]) == 0
    shown = capsys.readouterr()
    assert "ACCEPTED" not in shown.out
    assert "page: " in shown.out
    assert "Traceback" not in shown.out + shown.err
    page = (tmp_path / "hauberk-try" / "report.html").read_text()
    assert "tumours" in page
    assert not (tmp_path / "home" / ".config").exists()


def test_a_place_where_nothing_may_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["try", "--folder", str(tmp_path / "file" / "try")]) == 3
    assert "next:" in capsys.readouterr().err
