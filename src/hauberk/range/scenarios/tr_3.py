"""TR-3: packages that were changed, added or are known to be vulnerable."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from random import Random

from hauberk.attacks.code.pin_vulnerable import PinVulnerable
from hauberk.controls.code.known_vulnerabilities import KnownVulnerabilities
from hauberk.core.threat import ThreatId
from hauberk.methods.code.advisories import Advisories, Advisory, to_bytes
from hauberk.range.outcomes import found, refuses
from hauberk.range.planted import single
from hauberk.range.projects import project
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.trojans import WAYS, install, start
from hauberk.scanner import scan
from hauberk.trust.environments import read_environment, read_wheels, verify

PINNED = PinVulnerable()
_DEEDS = ("changed wheel", "added wheel", "changed file", "start file", "added package")


def _install(root: Path, rng: Random) -> None:
    for name in ("alpha", "beta", "gamma"):
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").write_text(f"x = {rng.random()}\n", "utf-8")
        info = root / f"{name}-1.{rng.randrange(9)}.dist-info"
        info.mkdir()
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n", "utf-8")
    (root / "wheels").mkdir()
    (root / "wheels" / "alpha-1.0-py3-none-any.whl").write_bytes(rng.randbytes(200))


def _attack(root: Path, deed: str) -> None:
    if deed == "changed wheel":
        (root / "wheels" / "alpha-1.0-py3-none-any.whl").write_bytes(b"other")
    elif deed == "added wheel":
        (root / "wheels" / "omega-9.9-py3-none-any.whl").write_bytes(b"new")
    elif deed == "changed file":
        (root / "beta" / "__init__.py").write_text("import os\n", "utf-8")
    elif deed == "start file":
        (root / "evil.pth").write_text("import os\n", "utf-8")
    else:
        (root / "omega-9.9.dist-info").mkdir()


def _refused(seed: int) -> Trial:
    rng = Random(seed)
    deed = _DEEDS[seed % len(_DEEDS)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _install(root, rng)
        read = read_wheels if "wheel" in deed else read_environment
        place = root / "wheels" if "wheel" in deed else root
        lock = read(place)
        alarm = refuses(lambda: verify(lock, read(place), subject="environment"))
        _attack(root, deed)
        after = read(place)
        refused = refuses(lambda: verify(lock, after, subject="environment"))
    return Trial(values={"refused": float(refused)}, potent=after != lock, false_alarm=float(alarm))


def _pinned(seed: int) -> Trial:
    attacked = PINNED.apply(project(seed), Random(seed))
    truth = attacked.truth
    entry = Advisory("X-1", "", (("0", truth["fixed"], ""),), ())
    database = to_bytes(Advisories(day="2999-01-01", packages={truth["package"]: [entry]}))
    control = KnownVulnerabilities(database=database)
    return Trial(
        values={"detected": float(found(control, attacked.subject))},
        potent=True,
        false_alarm=float(found(control, single(truth["path"], truth["twin"]))),
    )


def _silent(seed: int) -> Trial:
    """A package that acts when it is started, while it is looked at; a victim starts it."""
    way = WAYS[seed % len(WAYS)]
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder).resolve()
        empty = read_environment(site)
        canary = install(site, way, Random(seed))
        refuses(lambda: verify(empty, read_environment(site), subject="environment"))
        scan([site], today=_DAY)
        fired = canary.exists()
        start(site, way)
        return Trial(values={"canaries_fired": float(fired)}, potent=canary.exists())


_DAY = date(2026, 1, 1)
SCENARIOS = (
    Scenario(
        threat=ThreatId("TR-3"),
        attack="packages that act when they are started",
        control="hauberk env verify",
        play=_silent,
        parts=(("canaries_fired", ""),),
        note="on import, from a .pth file, a submodule, an entry point and sitecustomize in turn; "
        "the environment is locked, verified and scanned; potent where a program that starts in it "
        "leaves the canary",
    ),
    Scenario(
        threat=ThreatId("TR-3"),
        attack="changed, added and self-starting packages",
        control="hauberk env verify",
        play=_refused,
        parts=(("refused", ""),),
        note="wheels in a folder and installed packages; refused before anything is imported",
    ),
    Scenario(
        threat=ThreatId("TR-3"),
        attack=PINNED,
        control=KnownVulnerabilities(),
        play=_pinned,
        parts=(("detected", ""),),
        note="one record with a range drawn by seed; the clean twin pins a fixed version",
    ),
)
