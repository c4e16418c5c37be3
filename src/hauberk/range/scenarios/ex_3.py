"""EX-3: signed models tampered with in nine ways before they are loaded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from hauberk.attacks.model.strip_signature import WAYS, StripSignature
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import refuses
from hauberk.range.scenario import Scenario, Trial
from hauberk.trust.keys import PublicKey, generate
from hauberk.trust.oms.verification import sign_model, verify_model

FILES = ("model.onnx", "config.json", "labels.txt", "tokenizer/vocabulary.txt", "weights-2.bin")


@dataclass(slots=True)
class Folder:
    """A signed model, and a loader that verifies it or does not.

    Attributes:
        key: The key that the loader believes; ``None`` for one that believes its eyes.
    """

    folder: Path
    signature: Path
    key: PublicKey | None
    genuine: dict[str, bytes]

    def load(self) -> bool:
        """Whether the loader takes what lies there."""
        key = self.key
        if key is None:
            return contents(self.folder, self.signature) != self.genuine
        keys = {key.key_id: key}
        return not refuses(lambda: verify_model(self.folder, self.signature, keys, workers=1))


def contents(folder: Path, signature: Path) -> dict[str, bytes]:
    """Every file but the signature."""
    files = (path for path in folder.rglob("*") if path.is_file() and path != signature)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@contextmanager
def signed(seed: int, *, guarded: bool) -> Iterator[Folder]:
    """A model of random files, signed by its owner."""
    rng, owner = Random(seed), generate()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        for file in FILES:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(rng.randbytes(rng.randrange(200, 4000)))
        signature = folder / "model.sig"
        signature.write_bytes(sign_model(folder, signature, [owner], workers=1))
        genuine = contents(folder, signature)
        yield Folder(folder, signature, owner.public if guarded else None, genuine)


def _play(seed: int) -> Trial:
    attack = StripSignature(way=tuple(WAYS)[seed % len(WAYS)])
    with signed(seed, guarded=False) as bare:
        naive = attack.play(bare, Random(seed))
    with signed(seed, guarded=True) as folder:
        taken = folder.load()
        played = attack.play(folder, Random(seed))
    return Trial(
        values={"refused": not played.succeeded, "false_refusals": not taken},
        potent=naive.succeeded,
        false_alarm=float(not taken),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("EX-3"),
        attack=StripSignature(),
        control="hauberk verify PATH",
        play=_play,
        parts=(("refused", ""), ("false_refusals", "")),
        note="nine ways in turn on folders of five files, with the OMS signature that their owner "
        "made; a loader that checks nothing takes what lies there",
    ),
)
