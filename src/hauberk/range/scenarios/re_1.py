"""RE-1: changes that look harmless and are not."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.attacks.code.reword_fault import RewordFault
from hauberk.attacks.code.skip_review import SkipReview
from hauberk.controls.code.code_execution import CodeExecution
from hauberk.controls.code.hidden_characters import HiddenCharacters
from hauberk.controls.code.hidden_instructions import HiddenInstructions
from hauberk.controls.code.insider_patterns import InsiderPatterns
from hauberk.controls.code.leaky_evaluation import LeakyEvaluation
from hauberk.controls.code.poisoned_history import PoisonedHistory
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted
from hauberk.range.reviewing import unreviewed
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.real_code import PACKAGES, alarms, clean, installed, lines

ATTACK = PlantFault(groups=("insider", "chars", "git"))
HIDDEN = PlantFault(groups=("chars",))
INSIDER = RewordFault(group="insider")
METHOD = RewordFault(group="method")
CONTROLS = (InsiderPatterns(), HiddenCharacters(), HiddenInstructions(), CodeExecution())
METHODS = (LeakyEvaluation(), InsiderPatterns())


def _clean(seed: int) -> Trial:
    return Trial(values={"alarms_per_twin": float(alarms(clean(seed)))})


def _real(seed: int) -> Trial:
    tree = installed(PACKAGES[seed % len(PACKAGES)])
    return Trial(values={"alarms_per_10k_lines": 10_000 * alarms(tree) / lines(tree)})


SCENARIOS = (
    Scenario(
        threat=ThreatId("RE-1"),
        attack="none: a clean project full of look-alikes",
        control=CONTROLS[0],
        play=_clean,
        parts=(("alarms_per_twin", ""),),
        note="honest twins of 20 kinds of faults in a small project; all controls over code, at "
        "the level that makes a scan fail by default",
    ),
    Scenario(
        threat=ThreatId("RE-1"),
        attack="none: real packages",
        control=CONTROLS[0],
        play=_real,
        parts=(("alarms_per_10k_lines", ""),),
        trials=len(PACKAGES),
        note=f"the installed {', '.join(PACKAGES)}; all controls over code, at the level that "
        "makes a scan fail by default; findings that are true by the rule count as alarms too",
    ),
    Scenario(
        threat=ThreatId("RE-1"),
        attack=SkipReview(),
        control=PoisonedHistory(),
        play=unreviewed(),
        parts=(("refused", "unsigned or unreviewed"),),
        note="in histories where every other change carries a review in one of three forms; "
        "the twin's change carries one too; signatures were not played",
    ),
    Scenario(
        threat=ThreatId("RE-1"),
        attack=ATTACK,
        control=CONTROLS[0],
        play=planted(CONTROLS, ATTACK, "detected"),
        parts=(("detected", ""),),
        note="20 kinds of hidden cases, characters and settings known to the rules, names "
        "drawn by seed; a request "
        "for review counts",
    ),
    Scenario(
        threat=ThreatId("RE-1"),
        attack=INSIDER,
        control=CONTROLS[0],
        play=planted(CONTROLS, INSIDER, "detected"),
        parts=(("detected", "insiders, unseen wording"),),
        note="bent figures, gates, occasions, labels and weights by a grammar that was written "
        "before the rules met it; at that first sight 181 of 200 were told and no twin, and what "
        "was missed became rules; a request for review counts",
    ),
    Scenario(
        threat=ThreatId("RE-1"),
        attack=METHOD,
        control=METHODS[0],
        play=planted(METHODS, METHOD, "detected"),
        parts=(("detected", "method, unseen wording"),),
        note="rows changed before they are parted, taught or chosen by the test; at first sight "
        "170 of 200 were told and no twin, and what was missed became rules",
    ),
    Scenario(
        threat=ThreatId("RE-1"),
        attack="an honest change",
        control=CONTROLS[0],
        play=planted(CONTROLS, ATTACK, "false_alarms", is_clean=True),
        parts=(("false_alarms", ""),),
        note="the honest twins of the same files",
    ),
    Scenario(
        threat=ThreatId("RE-1"),
        attack=HIDDEN,
        control=CONTROLS[1],
        play=planted((CONTROLS[1],), HIDDEN, "detected"),
        parts=(("detected", "hidden characters"),),
        note="direction overrides and letters of another script",
    ),
)
