"""MS-2: papers that tell a better origin than the model has."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.registry.spoof_provenance import WAYS, SpoofProvenance
from hauberk.controls.registry.unverified_release import UnverifiedRelease
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.registry import Project, entry

CONTROL = UnverifiedRelease()
ATTACK = SpoofProvenance()


def _play(seed: int) -> Trial:
    """One spoof by whoever holds the key that signs steps; potent where a client gets others."""
    rng = Random(seed)
    project = Project(name="loans")
    others = {
        "older": project.publish(rng, 1),
        "foreign": Project(name="other").publish(rng, 2),
    }
    clean = entry(project, project.publish(rng, 2), seen=2, others=others)
    attack = replace(ATTACK, way=tuple(WAYS)[seed % len(WAYS)], key=project.lifecycle)
    attacked = attack.apply(clean, rng).subject
    model = f"blobs/{_model(project, clean.read('release'))}"
    served = ("release", "statements", model)
    return Trial(
        values={"refused": denied(CONTROL, attacked), "false_refusals": alarmed(CONTROL, clean)},
        potent=any(attacked.read(path) != clean.read(path) for path in served),
        false_alarm=float(alarmed(CONTROL, clean)),
    )


def _model(project: Project, release: bytes) -> str:
    """Digest of the released model, as the release says it."""
    from hauberk.trust.chain import open_signed
    from hauberk.trust.keys import Role
    from hauberk.trust.predicates import read_release

    said, *_ = open_signed(release, project.root(), Role.RELEASE)
    made = read_release(said)
    return made.files[made.model]


SCENARIOS = (
    Scenario(
        threat=ThreatId("MS-2"),
        attack=ATTACK,
        control=CONTROL,
        play=_play,
        parts=(("refused", ""), ("false_refusals", "")),
        note="ten ways in turn, with the key that signs steps in the attacker's hands; a client "
        "that takes the store's papers one by one gets another origin or another model",
    ),
)
