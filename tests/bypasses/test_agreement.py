"""No damaged pickle makes CPython look for a name that the reader does not tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hauberk.formats.pickle_events import Ended, Imported, Oddity
from hauberk.formats.pickles import read_pickle
from hauberk.formats.spans import span_of

PROGRAM = Path(__file__).with_name("agreement.py")


@pytest.mark.parametrize("seed", [11, 12])
def test_both_unpicklers_ask_only_for_names_that_the_reader_tells(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(seed), "1500"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""


def names(data: bytes) -> list[str]:
    events = list(read_pickle(span_of(data)))
    assert isinstance(events[-1], Ended)
    return [event.target.path for event in events if isinstance(event, Imported)]


def odd(data: bytes) -> list[str]:
    return [event.reason for event in read_pickle(span_of(data)) if isinstance(event, Oddity)]


def test_a_frame_that_is_too_long_stops_only_one_unpickler() -> None:
    data = b"\x80\x04\x95" + b"\xff" * 7 + b"\x00cos\nsystem\n."
    assert names(data) == ["os.system"]
    assert odd(data)


def test_a_name_across_the_end_of_a_frame_is_odd() -> None:
    """Found by this race: from a file, CPython drops ``numpy`` and imports ``os``."""
    data = b"\x80\x04\x95\x06" + bytes(7) + b"cnumpyos\nsystem\n(X\x02\0\0\0idtR."
    assert odd(data) == ["an opcode crosses the end of its frame"]


def test_an_instance_is_looked_up_before_its_mark_is_missed() -> None:
    assert names(b"ios\nsystem\n.") == ["os.system"]


def test_a_name_without_a_line_end_is_read_as_the_python_unpickler_reads_it() -> None:
    assert names(b"cos\nsystem!") == ["os.system"]


def test_a_nul_ends_a_number() -> None:
    assert names(b"I7\0junk\n0cos\nsystem\n.") == ["os.system"]
