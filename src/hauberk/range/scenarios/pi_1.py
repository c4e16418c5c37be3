"""PI-1: workflows that strangers can steer, and pipelines that do other than declared."""

from __future__ import annotations

from random import Random

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.attacks.code.reword_fault import RewordFault
from hauberk.attacks.pipeline.alter_pipeline import DEEDS, AlterPipeline
from hauberk.controls.code.committed_secrets import CommittedSecrets
from hauberk.controls.code.dependency_policy import DependencyPolicy
from hauberk.controls.code.hidden_instructions import HiddenInstructions
from hauberk.controls.code.insecure_downloads import InsecureDownloads
from hauberk.controls.code.insider_patterns import InsiderPatterns
from hauberk.controls.code.unsafe_images import UnsafeImages
from hauberk.controls.code.workflow_faults import WorkflowFaults
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import refuses
from hauberk.range.planted import planted
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.signed_pipelines import SignedPipeline, lying
from hauberk.trust.digest import digest_bytes

ATTACK = PlantFault(groups=("flow",))
CONTROL = WorkflowFaults()
REWORDED = RewordFault(group="automation")
REWORDED_CONTROLS = (
    *(CONTROL, HiddenInstructions(), InsiderPatterns(), InsecureDownloads(), CommittedSecrets()),
    *(DependencyPolicy(), UnsafeImages()),
)

ALTERED = AlterPipeline()
_CASES = (*DEEDS, "foreign key", "other image", "file exchanged at the end")


def _altered(seed: int) -> Trial:
    """A run with truthful records of what was changed, its links signed in the jobs."""
    rng = Random(seed)
    case = _CASES[seed % len(_CASES)]
    world = SignedPipeline()
    honest = world.honest(Random(seed))
    run = AlterPipeline(deed=case).apply(honest, rng).subject if case in DEEDS else honest
    signer = world.stranger if case == "foreign key" else None
    images = {rng.choice(honest.steps).name: digest_bytes(rng.randbytes(8))}
    links = world.links(run, signer=signer, images=images if case == "other image" else None)
    held = lying(run)
    if case == "file exchanged at the end":
        held[rng.choice(list(held))] = digest_bytes(rng.randbytes(8))
    clean = world.links(honest)
    return Trial(
        values={"refused": float(refuses(lambda: world.check(links, held)))},
        potent=(links, held) != (clean, lying(honest)),
        false_alarm=float(refuses(lambda: world.check(clean, lying(honest)))),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("PI-1"),
        attack=ALTERED,
        control="hauberk layout verify",
        play=_altered,
        parts=(("refused", "extra or changed step"),),
        note="five steps, two functionaries; a step added, left out or changed in its command, "
        "materials or products, all signed with the jobs' own keys, and links by a foreign key, "
        "of another image, and a file exchanged after the last step, in turn; potent where "
        "records or files differ from the honest run, which nothing but the layout refuses",
    ),
    Scenario(
        threat=ThreatId("PI-1"),
        attack=ATTACK,
        control=CONTROL,
        play=planted((CONTROL,), ATTACK, "detected"),
        parts=(("detected", ""),),
        note="14 kinds in workflows of four systems, names drawn by seed, kinds known to the rules",
    ),
    Scenario(
        threat=ThreatId("PI-1"),
        attack=REWORDED,
        control=CONTROL,
        play=planted(REWORDED_CONTROLS, REWORDED, "detected"),
        parts=(("detected", "unseen wording"),),
        note="strangers' words, soft gates and files of git by a grammar that was written before "
        "the rules met it; at that first sight 190 of 200 were told and no twin",
    ),
)
