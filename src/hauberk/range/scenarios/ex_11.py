"""EX-11: faults in the loaders of models: damaged files, and versions with published faults."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random

from hauberk.attacks.code.keep_faulty_loader import KeepFaultyLoader
from hauberk.attacks.model.damage_file import DamageFile
from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.threat import ThreatId
from hauberk.methods.code.advisories import Advisories, Advisory, to_bytes
from hauberk.methods.code.installed import LOADERS
from hauberk.methods.code.loader_versions import faulty_loaders
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.damaged import complaint, corpus

EX_11 = ThreatId("EX-11")
TODAY = date(2030, 1, 1)


def _damaged(seed: int) -> Trial:
    rng = Random(seed)
    known = rng.choice(corpus())
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "model.bin")
        path.write_bytes(known)
        attacked = DamageFile(donors=corpus()).apply(ModelFile(name="m", path=path), rng)
        _, wrong = complaint(attacked.subject.path)
        return Trial(
            values={"crashes": bool(wrong)},
            potent=attacked.subject.path.read_bytes() != known,
        )


@dataclass(slots=True, kw_only=True)
class _Site:
    """A folder of installed packages, as installers leave it."""

    folder: Path
    known: Mapping[str, tuple[str, str]]

    def install(self, name: str, version: str) -> None:
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")


def _version(seed: int) -> Trial:
    rng = Random(seed)
    known = {name: _pair(rng) for name in sorted(LOADERS)}
    entries = {
        name: [Advisory("X-1", "a parser's fault", (("0", fixed, ""),), ())]
        for name, (_, fixed) in known.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder, "index.gz")
        index.write_bytes(to_bytes(Advisories(day=TODAY.isoformat(), packages=entries)))
        honest = _Site(folder=Path(folder, "honest"), known=known)
        for name, (_, fixed) in known.items():
            honest.install(name, fixed)
        site = _Site(folder=Path(folder, "site"), known=known)
        told = KeepFaultyLoader().play(site, rng).facts
        found, _ = faulty_loaders(site.folder, index, today=TODAY)
        alarms, _ = faulty_loaders(honest.folder, index, today=TODAY)
        names = [(item.name, item.version) for item in found]
        return Trial(
            values={"detected": names == [(told["name"], told["version"])]},
            potent=True,
            false_alarm=float(bool(alarms)),
        )


def _pair(rng: Random) -> tuple[str, str]:
    """A version, and a later one that fixes it."""
    major, minor = rng.randint(0, 9), rng.randint(1, 30)
    later = rng.choice((f"{major}.{minor}.{rng.randint(1, 20)}", f"{major}.{minor + 1}.0"))
    return rng.choice((f"{major}.{minor}.0", f"{major}.{minor}.0rc1")), later


SCENARIOS = (
    Scenario(
        threat=EX_11,
        attack=DamageFile(),
        control=UnsafeOpcodes(),
        play=_damaged,
        parts=(("crashes", ""),),
        note="one to four changes to files of every format; a crash is an error that no reader "
        "names, more than five seconds, or no code found where an unpickler asks for a "
        "dangerous name; nothing is loaded",
    ),
    Scenario(
        threat=EX_11,
        attack=KeepFaultyLoader(),
        control="hauberk advisories check",
        play=_version,
        parts=(("detected", ""),),
        note="packages as installers leave them, an index drawn by seed; the twin has the fixed "
        "version of every loader",
    ),
)
