"""TR-4: a training step that mines, forks, hoards, hides children or burns a share."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from hauberk.attacks.pipeline.hijack_step import HijackStep
from hauberk.controls.pipeline.hijacked_step import HijackedStep
from hauberk.core.attack import Transcript
from hauberk.core.threat import ThreatId
from hauberk.isolation import Completed, Limits
from hauberk.lifecycle.pacing import Pace
from hauberk.lifecycle.usage_history import MAX_RUNS
from hauberk.range.outcomes import denied, found
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.steps import StepHost

CONTROL = HijackedStep()
_MIB = 1 << 20
_BUDGETS = {
    "processor": Limits(cpu_s=1.0),
    "memory": Limits(memory_bytes=96 * _MIB),
    "processes": Limits(processes=8),
    "disk": Limits(disk_bytes=8 * _MIB),
    "time": Limits(wall_s=4.0),
}
_CHILDREN = ("python child", "forked child", "shell loop", "renamed program", "left behind")
_HELPERS = "import subprocess\nsubprocess.run(['sleep', '0.3'], check=True)\n"


def _played(host: StepHost, attack: HijackStep, seed: int) -> tuple[Transcript, Completed]:
    transcript = attack.play(host, Random(seed))
    return transcript, transcript.facts["done"]


def _breach(seed: int) -> Trial:
    deed = tuple(_BUDGETS)[seed % len(_BUDGETS)]
    attack = HijackStep(deed=deed)
    open_handed, _ = _played(StepHost(), attack, seed)
    host = StepHost(limits=_BUDGETS[deed])
    _, held = _played(host, attack, seed)
    return Trial(
        values={"killed": bool(held.killed_by) or held.exit_code != 0},
        potent=open_handed.succeeded,
        false_alarm=float(host.run().exit_code != 0),
    )


def _child(seed: int) -> Trial:
    attack = HijackStep(deed=_CHILDREN[seed % len(_CHILDREN)])
    host = StepHost(programs=())
    transcript, done = _played(host, attack, seed)
    helped = StepHost(programs=("sleep",))
    return Trial(
        values={"detected": denied(CONTROL, host.use(done))},
        potent=transcript.succeeded,
        false_alarm=float(denied(CONTROL, helped.use(helped.run(_HELPERS)))),
    )


BURNT = StepHost(epochs=150)
_EARLIER = 8


@cache
def _history() -> list[float]:
    """Earlier runs at pace 1; each honest run joins them, as the runner keeps its last ones."""
    runs = [BURNT.paced() for _ in range(_EARLIER)]
    return [done.usage.cpu_s / pace for done, pace in runs]


def _burner(seed: int) -> Trial:
    history = _history()
    earlier = tuple(history[-MAX_RUNS:])
    with Pace() as beside:
        transcript, burnt = _played(BURNT, HijackStep(deed="burner"), seed)
    honest, pace = BURNT.paced()
    history.append(honest.usage.cpu_s / pace)
    return Trial(
        values={"detected": found(CONTROL, BURNT.use(burnt, earlier, pace=beside.factor))},
        potent=transcript.succeeded,
        false_alarm=float(found(CONTROL, BURNT.use(honest, earlier, pace=pace))),
    )


_SANDBOX = "limits of the sandbox"
SCENARIOS = (
    Scenario(
        threat=ThreatId("TR-4"),
        attack=HijackStep(deed="processor"),
        control=_SANDBOX,
        play=_breach,
        parts=(("killed", "budget breach"),),
        note="processor, memory, processes, disk and time in turn, each 1.5 to 3 times its budget; "
        "potent where the step does all of it within wide limits; the twin is the honest training",
        timed=True,
    ),
    Scenario(
        threat=ThreatId("TR-4"),
        attack=HijackStep(deed="forked child"),
        control=CONTROL,
        play=_child,
        parts=(("detected", "unexpected child process"),),
        note="children of five kinds that work 0.4 s or longer; the twin starts a program that is "
        "on its list",
        timed=True,
    ),
    Scenario(
        threat=ThreatId("TR-4"),
        attack=replace(HijackStep(), deed="burner"),
        control=CONTROL,
        play=_burner,
        parts=(("detected", "30 % processor burner"),),
        note=f"hashing inside the training's own process, against {_EARLIER} to {MAX_RUNS} earlier "
        "runs on the same input, in lengths of a yardstick timed beside each run; experimental: a "
        "finding for a person to look at, where honest runs differ less than the burner takes",
        timed=True,
    ),
)
