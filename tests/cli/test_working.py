"""Long work says on a terminal that it goes on, and nowhere else."""

import io
import sys
import threading

import pytest

from hauberk.cli.words import working


class Screen(io.StringIO):
    """A terminal that tells when somebody has written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        done = super().write(text)
        self.told.set()
        return done


def test_a_terminal_is_told_and_its_line_is_wiped(monkeypatch: pytest.MonkeyPatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", Screen())
    monkeypatch.setattr(sys, "stderr", screen)
    with working("judging the model", every_s=0.01):
        assert screen.told.wait(60)
    assert "judging the model: " in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize("elsewhere", ["stdout", "stderr"])
def test_nothing_is_told_where_either_stream_goes_elsewhere(
    monkeypatch: pytest.MonkeyPatch, elsewhere: str
):
    streams = {"stdout": Screen(), "stderr": Screen(), elsewhere: io.StringIO()}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    with working("judging the model", every_s=0.01):
        assert "hauberk-working" not in {thread.name for thread in threading.enumerate()}
    assert [stream.getvalue() for stream in streams.values()] == ["", ""]
