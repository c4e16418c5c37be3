"""Calling our own functions in a fresh interpreter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import (
    ArtifactError,
    HauberkError,
    InternalError,
    LimitError,
    UnavailableError,
    UsageError,
)
from hauberk.isolation import Grants, Limits, spawn
from hauberk.isolation.frames import GREETING, error_frame, open_frame, result_frame

TASKS = Path(__file__).resolve().parent / "tasks.py"
QUICK = Limits(wall_s=30.0, cpu_s=20.0, memory_bytes=1 << 30, processes=8)


@pytest.fixture
def call(tmp_path, level):
    """Call a function of ``tasks.py`` from a folder of its own."""
    root = tmp_path.resolve() / "roots"
    root.mkdir()
    (root / "hostile_tasks.py").write_bytes(TASKS.read_bytes())

    def function(name: str, payload: bytes = b"", limits: Limits = QUICK, **options) -> bytes:
        return spawn(
            f"hostile_tasks:{name}",
            payload,
            grants=Grants(),
            limits=limits,
            level=level,
            import_roots=(root,),
            **options,
        )

    return function


def test_bytes_come_back_as_the_task_made_them(call) -> None:
    payload = bytes(range(256)) * 20_000
    assert call("echo", payload) == payload


def test_noise_on_the_standard_streams_does_not_reach_the_result(call) -> None:
    assert call("noisy", b"clean") == b"clean"


def test_an_error_of_ours_arrives_whole(call) -> None:
    with pytest.raises(ArtifactError) as caught:
        call("refuse")
    assert (caught.value.message, caught.value.subject) == ("bad header", "file")
    assert (caught.value.expected, caught.value.found) == ("8 bytes", "3")


def test_a_foreign_error_arrives_without_its_message(call) -> None:
    with pytest.raises(InternalError, match=r"ValueError at .*hostile_tasks.py") as caught:
        call("break_down", b"secret")
    assert "secret" not in str(caught.value)


def test_a_missing_library_is_the_environments_fault(call) -> None:
    with pytest.raises(UnavailableError, match="a_library_that_nobody_has"):
        call("need_missing")


def test_a_crash_of_the_worker_is_unavailable_and_names_the_signal(call) -> None:
    with pytest.raises(UnavailableError, match="SIGSEGV"):
        call("crash")


def test_a_worker_that_leaves_is_unavailable(call) -> None:
    with pytest.raises(UnavailableError, match="exit code 3"):
        call("leave")


def test_a_worker_that_leaves_without_a_frame_is_not_a_success(call) -> None:
    with pytest.raises(InternalError, match="not one frame"):
        call("leave_well")


def test_a_sleeping_worker_is_ended_by_the_wall_clock(call) -> None:
    limits = Limits(wall_s=0.5, memory_bytes=1 << 30)
    with pytest.raises(LimitError, match="wall_s"):
        call("sleep", limits=limits)


def test_a_worker_that_hoards_memory_meets_its_limit(call) -> None:
    with pytest.raises(LimitError, match="memory"):
        call("hoard")


def test_a_forged_frame_is_refused(call) -> None:
    with pytest.raises(InternalError, match="not one frame"):
        call("forge")


def test_a_result_over_its_limit_is_dropped(call) -> None:
    with pytest.raises(LimitError, match="longer than its limit"):
        call("long_result", max_result_bytes=1000)


def test_a_task_that_returns_no_bytes_is_our_fault(call) -> None:
    with pytest.raises(InternalError, match="must return bytes"):
        call("text")


def test_a_worker_shares_no_modules_with_its_caller(call) -> None:
    assert json.loads(call("surroundings"))["modules"] == []


@pytest.mark.parametrize("task", ["os.system", "a:b:c", "a;b:c", ":f", "a:", "a b:c"])
def test_a_task_must_be_a_dotted_name(task) -> None:
    with pytest.raises(UsageError):
        spawn(task, b"", grants=Grants(), limits=QUICK)


@given(st.binary(max_size=200))
def test_a_frame_carries_any_bytes(body: bytes) -> None:
    assert open_frame(GREETING + result_frame(body)) == body


@given(st.binary(max_size=60))
def test_no_chance_bytes_are_a_frame(data: bytes) -> None:
    with pytest.raises(HauberkError):
        open_frame(data)


@given(st.binary(max_size=60))
def test_hostile_error_bodies_become_errors_of_ours(body: bytes) -> None:
    frame = b"HBK1E" + len(body).to_bytes(8, "little") + body
    with pytest.raises(HauberkError):
        open_frame(frame)


@given(st.text(max_size=3000))
def test_an_error_frame_keeps_the_class_and_bounds_the_text(message: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        open_frame(GREETING + error_frame(ArtifactError(message)))
    assert caught.value.message == message[:2000]
