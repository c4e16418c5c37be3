"""PI-5: packages named like popular ones, or like a team's own."""

from __future__ import annotations

from functools import cache
from random import Random

from hauberk.attacks.code.slip_name import SlipName
from hauberk.controls.code.dependency_policy import DependencyPolicy
from hauberk.controls.code.lookalike_packages import LookalikePackages
from hauberk.core.threat import ThreatId
from hauberk.methods.code.package_names import ranks
from hauberk.range.outcomes import denied, found
from hauberk.range.planted import single
from hauberk.range.projects import project
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.package_indexes import PRIVATE, PUBLIC, Team

ATTACK = SlipName()
CONTROL = LookalikePackages()


def _slip(seed: int) -> Trial:
    attacked = ATTACK.apply(project(seed), Random(seed))
    honest = single("requirements.txt", f"{attacked.truth['target']}==1.0\n")
    return Trial(
        values={"detected": float(found(CONTROL, attacked.subject))},
        potent=attacked.truth["name"] not in ranks(),
        false_alarm=float(found(CONTROL, honest)),
    )


POLICY = DependencyPolicy()


def _confused(seed: int) -> Trial:
    """A higher version of an internal name on the public index, which is asked as well."""
    rng = Random(seed)
    team = Team(rng)
    package = rng.choice(team.packages)
    team.indexes.put(PUBLIC, package, (99, rng.randrange(100)), b"payload")
    both = team.installed((PRIVATE, PUBLIC))
    alone = team.installed((PRIVATE,))
    pins = "".join(f"{name}\n" for name in team.packages)
    mixed = single("requirements.txt", f"-i {PRIVATE}\n--extra-index-url {PUBLIC}\n{pins}")
    return Trial(
        values={"refused": float(not both.admitted and denied(POLICY, mixed))},
        potent=b"payload" in both.wheels.values(),
        false_alarm=float(not alone.admitted),
    )


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(ranks()))


def _popular(seed: int) -> Trial:
    """One popular name, as a project would ask for it."""
    names = _names()
    tree = single("requirements.txt", f"{names[seed % len(names)]}==1.0\n")
    return Trial(values={"false_alarms": float(found(CONTROL, tree))})


SCENARIOS = (
    Scenario(
        threat=ThreatId("PI-5"),
        attack="an internal name on the public index",
        control=POLICY,
        play=_confused,
        parts=(("refused", ""),),
        note="an installer that takes the highest version of two indexes; refused means that the "
        "requirement file is a defect, and that `hauberk env verify --wheels` refuses what was "
        "fetched before anything is imported; the twin asks the private index alone",
    ),
    Scenario(
        threat=ThreatId("PI-5"),
        attack="none: popular packages",
        control=CONTROL,
        play=_popular,
        parts=(("false_alarms", ""),),
        note="every name of the vendored list of popular packages, each once; the control knows "
        "that list, so this says that no other rule speaks against a name of it",
    ),
    Scenario(
        threat=ThreatId("PI-5"),
        attack=ATTACK,
        control=CONTROL,
        play=_slip,
        parts=(("detected", ""),),
        note="six kinds of slips over the 1,000 most downloaded packages; a slip that is a popular "
        "package itself is drawn again",
    ),
)
