"""PI-5: packages named like popular ones."""

from __future__ import annotations

from random import Random

from hauberk.controls.code.lookalike_packages import LookalikePackages
from hauberk.core.threat import ThreatId
from hauberk.methods.code.package_names import ranks
from hauberk.range.outcomes import found
from hauberk.range.planted import single
from hauberk.range.scenario import Scenario, Trial

CONTROL = LookalikePackages()
N_TARGETS = 1000
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def slipped(name: str, rng: Random) -> str:
    """A name as a hasty or hostile hand writes it."""
    place = rng.randrange(1, len(name))
    deed = rng.randrange(6)
    if deed == 0:
        return name[:place] + name[place + 1 :]
    if deed == 1:
        return name[:place] + name[place] * 2 + name[place + 1 :]
    if deed == 2:  # noqa: PLR2004 - the third of six deeds
        return name[: place - 1] + name[place] + name[place - 1] + name[place + 1 :]
    if deed == 3:  # noqa: PLR2004
        row = next((row for row in _KEYS if name[place] in row), "q")
        return name[:place] + row[(row.find(name[place]) + 1) % len(row)] + name[place + 1 :]
    if deed == 4:  # noqa: PLR2004
        return rng.choice(("python-{}", "py{}", "{}-python", "{}2", "{}-dev", "{}s")).format(name)
    return (
        name.replace("o", "0", 1).replace("l", "1", 1) if set(name) & set("ol") else f"{name}-lib"
    )


def _typo(seed: int) -> Trial:
    rng = Random(seed)
    names = [name for name, place in ranks().items() if place < N_TARGETS and len(name) > 5]  # noqa: PLR2004
    target = rng.choice(sorted(names))
    name = slipped(target, rng)
    while name in ranks():
        target = rng.choice(sorted(names))
        name = slipped(target, rng)
    return Trial(
        values={"detected": float(found(CONTROL, single("requirements.txt", f"{name}==1.0\n")))},
        potent=name not in ranks(),
        false_alarm=float(found(CONTROL, single("requirements.txt", f"{target}==1.0\n"))),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("PI-5"),
        attack="a name that is one slip away",
        control=CONTROL,
        play=_typo,
        parts=(
            (
                "detected",
                "",
            ),
        ),
        note="six kinds of slips over the 1,000 most downloaded packages; a slip that is a popular "
        "package itself is drawn again",
    ),
)
