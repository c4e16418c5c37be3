"""Running commands: what a step gets, how its end is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from hauberk.core.policy import Isolation
from hauberk.errors import UnavailableError, UsageError
from hauberk.isolation import Bind, Grants, Limits, run


def test_a_step_writes_into_its_folder_and_its_exit_code_comes_back(
    python_step, level, work
) -> None:
    done = python_step("open('out.txt','w').write('made'); raise SystemExit(7)", level)
    assert (done.exit_code, (work / "out.txt").read_text("utf-8")) == (7, "made")


def test_output_streams_are_captured_apart(python_step, level) -> None:
    done = python_step("import sys; print('o'); print('e', file=sys.stderr)", level)
    assert (done.stdout, done.stderr) == (b"o\n", b"e\n")


def test_only_the_tail_of_long_output_is_kept(python_step, level) -> None:
    limits = Limits(output_bytes=1000)
    done = python_step("print('x' * 3_000_000 + 'end')", level, limits=limits)
    assert len(done.stdout) == 1000
    assert done.stdout.endswith(b"end\n")


def test_standard_input_is_empty(python_step, level) -> None:
    assert python_step("import sys; print(repr(sys.stdin.read()))", level).stdout == b"''\n"


def test_a_missing_command_ends_with_127(work, level) -> None:
    done = run(["no-such-program"], cwd=work, grants=Grants(), limits=Limits(), level=level)
    assert done.exit_code == 127


def test_a_signal_is_told_as_a_shell_tells_it(python_step, level) -> None:
    done = python_step("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", level)
    assert done.exit_code == 128 + 15


def test_usage_is_measured(python_step, level) -> None:
    done = python_step("sum(range(3_000_000)); b = bytearray(50_000_000)", level)
    assert done.usage.cpu_s > 0
    assert done.usage.wall_s > 0
    assert done.usage.max_rss_bytes > 50_000_000


def test_at_observe_denials_are_said_to_be_unobserved(python_step) -> None:
    assert python_step("pass", Isolation.OBSERVE).denials is None


def test_granted_variables_arrive(python_step, level) -> None:
    done = python_step("import os; print(os.environ['A'])", level, env={"A": "b c"})
    assert done.stdout == b"b c\n"


def test_a_missing_grant_is_refused_before_anything_runs(work, level) -> None:
    grants = Grants(read=(work / "missing",))
    with pytest.raises(UsageError, match="does not exist"):
        run(["true"], cwd=work, grants=grants, limits=Limits(), level=level)


def test_a_relative_grant_is_refused(work, level) -> None:
    with pytest.raises(UsageError, match="must be exact"):
        run(["true"], cwd=work, grants=Grants(read=(Path("x"),)), limits=Limits(), level=level)


def test_a_bind_appears_at_its_target_and_cannot_be_changed(work, need_full) -> None:
    source = work / "stored"
    source.write_text("rows", "utf-8")
    target = work / "data" / "input.csv"
    code = "cat data/input.csv && ! (echo x > data/input.csv) 2>/dev/null"
    grants = Grants(binds=(Bind(source=source, target=target),))
    done = run(["sh", "-c", code], cwd=work, grants=grants, limits=Limits(), level=need_full)
    assert (done.exit_code, done.stdout) == (0, b"rows")


@pytest.mark.parametrize("below", [Isolation.OBSERVE, Isolation.LANDLOCK])
def test_a_bind_elsewhere_needs_the_full_level(work, below) -> None:
    grants = Grants(binds=(Bind(source=work, target=Path("/elsewhere")),))
    with pytest.raises(UnavailableError, match="appear elsewhere"):
        run(["true"], cwd=work, grants=grants, limits=Limits(), level=below)
