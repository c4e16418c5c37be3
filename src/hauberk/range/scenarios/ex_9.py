"""EX-9: chat templates and prompts changed after export."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from hauberk.attacks.model.rewrite_template import PAYLOADS, PLACES, RewriteTemplate
from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.finding import Outcome
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.range.outcomes import alarmed
from hauberk.range.scenario import Scenario, Trial

EX_9 = ThreatId("EX-9")
CONTROL = UnsafeOpcodes()
_CASES = tuple((payload, place) for payload in PAYLOADS for place in PLACES)


def _play(seed: int) -> Trial:
    payload, place = _CASES[seed % len(_CASES)]
    with tempfile.TemporaryDirectory() as folder:
        start = ModelFile(name="m", path=Path(folder) / "m")
        attacked = RewriteTemplate(payload=payload, place=place).apply(start, Random(seed))
        outcome = assess(CONTROL, attacked.subject).outcome
        kept = attacked.truth["template"].encode()
        label, make = PLACES[place]
        clean = ModelFile(name=label, path=Path(folder) / label)
        reached = kept in attacked.subject.path.read_bytes() or place in {"tokenizer", "named"}
        clean.path.write_bytes(make(attacked.truth["ordinary"]))
        return Trial(
            values={"refused": outcome is Outcome.FLAGGED},
            potent=reached,
            false_alarm=float(alarmed(CONTROL, clean)),
        )


SCENARIOS = (
    Scenario(
        threat=EX_9,
        attack=RewriteTemplate(),
        control=CONTROL,
        play=_play,
        parts=(("refused", ""),),
        trials=len(_CASES),
        note=f"{len(PAYLOADS)} additions in {len(PLACES)} places; potent where the template "
        "reaches the runtime as it was written",
    ),
)
