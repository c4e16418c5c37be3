"""What only the control of hijacked steps says."""

from __future__ import annotations

from random import Random

import pytest

from hauberk.controls.pipeline.hijacked_step import HijackedStep
from hauberk.core.artifact import StepUse
from hauberk.core.finding import Level

CONTROL = HijackedStep()


def findings(**use):
    return list(CONTROL.check(StepUse(name="training", cpu_s=use.pop("cpu_s", 1.0), **use)))


def test_programs_of_the_system_are_ordinary_where_nobody_said_which_are_allowed():
    assert findings(children={"/usr/bin/uname": 1, "/opt/venv/bin/python3.11": 4}) == []


@pytest.mark.parametrize("program", ["/srv/step/miner", "/tmp/x/kworker", "hidden:kworker"])
def test_programs_that_a_step_brought_or_hid_are_found(program):
    (finding,) = findings(children={program: 1}, own=("/srv/step",))
    assert finding.level is Level.DEFECT
    assert program in finding.message


def test_a_list_of_programs_lets_nothing_else_run():
    children = {"/usr/bin/uname": 1, "/usr/bin/sh": 2}
    (finding,) = findings(children=children, programs=("uname",))
    assert "/usr/bin/sh" in finding.message


def test_a_removed_file_is_known_by_its_name():
    assert findings(children={"/usr/bin/uname (deleted)": 1}, programs=("uname",)) == []


def test_refused_connections_are_for_review():
    (finding,) = findings(denials=("connect 192.0.2.1:3333",))
    assert finding.level is Level.REVIEW


@pytest.mark.parametrize(("cpu_s", "n_found"), [(1.05, 0), (1.3, 1)])
def test_processor_time_is_held_against_earlier_runs(cpu_s, n_found):
    earlier = (1.0, 1.01, 0.99, 1.02, 1.0)
    assert len(findings(cpu_s=cpu_s, earlier=earlier)) == n_found


def test_a_restless_history_widens_what_is_ordinary():
    assert findings(cpu_s=1.6, earlier=(0.7, 1.3, 1.0, 0.8, 1.2)) == []


def test_one_more_run_like_the_others_is_seldom_named():
    rng = Random(4)
    alarms = 0
    for _ in range(400):
        runs = [rng.lognormvariate(0, 0.1) for _ in range(9)]
        alarms += len(findings(cpu_s=runs[0], earlier=tuple(runs[1:])))
    assert alarms <= 8


def test_few_earlier_runs_compare_nothing():
    assert findings(cpu_s=9.0, earlier=(1.0, 1.0)) == []
