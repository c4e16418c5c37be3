"""EX-6: models of strangers: names that mislead, bytes that change, folders that bring code."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from random import Random

from hauberk.attacks.code.slip_publisher import SlipPublisher
from hauberk.attacks.model.bring_code import WAYS as CODES
from hauberk.attacks.model.bring_code import BringCode, write_hub
from hauberk.attacks.model.change_upload import WAYS as CHANGES
from hauberk.attacks.model.change_upload import ChangeUpload
from hauberk.controls.code.lookalike_models import LookalikeModels
from hauberk.controls.model.unfit_folder import UnfitFolder
from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile, ModelFolder, SourceFile
from hauberk.core.threat import ThreatId
from hauberk.engine.load_gate import admit
from hauberk.lifecycle.downloads import download_file
from hauberk.methods.code.planted import with_file
from hauberk.range.outcomes import alarmed, found, refuses
from hauberk.range.planted import told_of
from hauberk.range.projects import project
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.sources import Answer, Publisher, publisher

EX_6 = ThreatId("EX-6")
NAMES = LookalikeModels()
FILES, FOLDER = UnsafeOpcodes(), UnfitFolder()


def _name(seed: int) -> Trial:
    attacked = SlipPublisher().apply(project(seed), Random(seed))
    path = attacked.truth["path"]
    twin = SourceFile(name=path, path=Path(path), text=attacked.truth["twin"])
    clean = with_file(attacked.subject, twin)
    return Trial(
        values={"refused": told_of((NAMES,), attacked.subject, path, defect=True)},
        potent=attacked.truth["owner"] != attacked.truth["target"],
        false_alarm=float(told_of((NAMES,), clean, path, defect=False)),
    )


def _bytes(seed: int) -> Trial:
    """A hub on loopback; the digest was noted when somebody looked at the model."""
    rng = Random(seed)
    with tempfile.TemporaryDirectory() as name, publisher(Path(name)) as hub:
        folder = Path(name)
        write_hub(folder / "reviewed", rng)
        path = folder / "reviewed" / "model.safetensors"
        genuine = path.read_bytes()
        way = tuple(CHANGES)[seed % len(CHANGES)]
        changed = ChangeUpload(way=way).apply(ModelFile(name="m", path=path), rng)
        address = f"{hub.address}/team/model/resolve/main/model.safetensors"
        pinned = f"{address}#sha256={hashlib.sha256(genuine).hexdigest()}"
        route = "/team/model/resolve/main/model.safetensors"
        hub.answers[route] = Answer(body=genuine)
        alarm = refuses(lambda: _pull(pinned, folder / "first", hub))
        hub.answers[route] = Answer(body=changed.subject.path.read_bytes())
        return Trial(
            values={"refused": refuses(lambda: _pull(pinned, folder / "again", hub))},
            potent=_got(address, folder / "naive", hub) != genuine,
            false_alarm=float(alarm),
        )


def _pull(address: str, folder: Path, hub: Publisher) -> None:
    folder.mkdir()
    admit(download_file(address, folder, context=hub.context))


def _got(address: str, folder: Path, hub: Publisher) -> bytes:
    folder.mkdir()
    return download_file(address, folder, context=hub.context).read_bytes()


def _code(seed: int) -> Trial:
    rng = Random(seed)
    with tempfile.TemporaryDirectory() as name:
        clean = ModelFolder(name="hub", path=Path(name) / "hub")
        write_hub(clean.path, rng)
        attacked = BringCode(way=tuple(CODES)[seed % len(CODES)]).apply(clean, rng)
        run = attacked.truth["run"].encode()
        texts = [path.read_bytes() for path in attacked.subject.path.iterdir()]
        return Trial(
            values={"refused": _refused(attacked.subject)},
            potent=any(run in text for text in texts),
            false_alarm=float(_alarmed(clean)),
        )


def _refused(folder: ModelFolder) -> bool:
    return found(FILES, ModelFile(name="hub", path=folder.path)) or found(FOLDER, folder)


def _alarmed(folder: ModelFolder) -> bool:
    return alarmed(FILES, ModelFile(name="hub", path=folder.path)) or alarmed(FOLDER, folder)


SCENARIOS = (
    Scenario(
        threat=EX_6,
        attack=SlipPublisher(),
        control=NAMES,
        play=_name,
        parts=(("refused", "look-alike name"),),
        note="publishers of seven letters and more, one slip, look or affix away; the twin loads "
        "the genuine one",
    ),
    Scenario(
        threat=EX_6,
        attack=ChangeUpload(),
        control="a download by its pinned digest, and the load gate",
        play=_bytes,
        parts=(("refused", "changed bytes"),),
        note=f"a hub on loopback over TLS, {len(CHANGES)} changes in turn under the same name; "
        "without the pin a client works with the changed bytes",
    ),
    Scenario(
        threat=EX_6,
        attack=BringCode(),
        control=FILES,
        play=_code,
        parts=(("refused", "remote code"),),
        note=f"{len(CODES)} ways in turn, judged file by file and as a folder "
        "(model/unfit-folder); potent where what a trusting loader would run lies in the folder",
    ),
)
