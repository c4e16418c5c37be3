"""EX-1: model files that run code when they are loaded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from hauberk.attacks.model.plant_payload import VARIANTS, PlantPayload
from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.finding import Assessment, Level, Outcome, Severity
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.range.ordinary import write_ordinary
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.loaders import opens

EX_1 = ThreatId("EX-1")
CONTROL = UnsafeOpcodes()
_NAMES = tuple(VARIANTS)
_BAD = (Severity.HIGH, Severity.CRITICAL)


def _payload(seed: int) -> Trial:
    """One variant: judged, then opened by a victim who does not ask."""
    with tempfile.TemporaryDirectory() as folder:
        attacked = PlantPayload(variant=_NAMES[seed % len(_NAMES)]).apply(
            ModelFile(name="model.pkl", path=Path(folder) / "model.pkl"), Random(seed)
        )
        assessment = assess(CONTROL, attacked.subject)
        opens(attacked.subject.path, attacked.truth["loader"])
        fires = Path(attacked.truth["canary"]).exists()
    refused = not _passes_gate(assessment)
    return Trial(
        values={
            "refused": refused,
            "canaries_fired": fires and not refused,
            "detected": _is_dangerous(assessment),
        },
        potent=fires,
    )


def _passes_gate(assessment: Assessment) -> bool:
    """A load gate wants every byte judged and nothing left to ask."""
    return assessment.outcome is Outcome.CLEAN


def _is_dangerous(assessment: Assessment) -> bool:
    return any(
        finding.level is Level.DEFECT and finding.severity in _BAD
        for finding in assessment.findings
    )


def _ordinary(seed: int) -> Trial:
    with tempfile.TemporaryDirectory() as folder:
        path = write_ordinary(Path(folder), Random(seed))
        assessment = assess(CONTROL, ModelFile(name=path.name, path=path))
    dangerous = _is_dangerous(assessment)
    return Trial(
        values={
            "called_dangerous": dangerous,
            "called_review": not dangerous and not _passes_gate(assessment),
        }
    )


SCENARIOS = (
    Scenario(
        threat=EX_1,
        attack=PlantPayload(),
        control=CONTROL,
        play=_payload,
        parts=(("refused", ""), ("canaries_fired", ""), ("detected", "all families")),
        trials=len(_NAMES),
        note=f"{len(_NAMES)} ways to write such a file, each once and opened in a sandbox by the "
        "loader it is meant for",
    ),
    Scenario(
        threat=EX_1,
        attack="none: ordinary files",
        control=CONTROL,
        play=_ordinary,
        parts=(("called_dangerous", ""), ("called_review", "")),
        note="58 estimators of the installed scikit-learn, arrays, safetensors and ONNX; the "
        "reviewed list knows that version, so other versions are not covered by this figure",
    ),
)
