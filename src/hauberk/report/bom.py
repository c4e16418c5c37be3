"""A run as a bill of materials: CycloneDX 1.6 with a model card.

What is listed: the model in each form that the run made, the data that it was made from, the
packages of the project's environment, and which of them each thing was made with. The model
card says how the sealed test set judged the model, for whom it was looked at, and how far the
chain can be believed. Only what the run recorded is said; nothing is looked up.

References:
    CycloneDX Bill of Materials Specification 1.6 (ECMA-424), sections "Components",
    "Dependencies" and "Model card".
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hauberk import __version__
from hauberk.core.artifact import Digest
from hauberk.core.lifecycle import Component
from hauberk.core.record import PACKAGES, RunRecord, StepReport
from hauberk.report.markup import visible

SPEC_VERSION = "1.6"
MEDIA_TYPE = "application/vnd.cyclonedx+json; version=1.6"

_SPACE = uuid.UUID("6f1c2f0e-3c0b-5f0a-9d0b-7d5b6f0a2c11")
"""Name space of serial numbers: the same run always gives the same bill."""

_DATA_ROOMS = (Component.ACQUISITION, Component.PREPROCESSING, Component.PREPARATION)
_MODEL_ROOMS = (Component.TRAINING, Component.MODEL_EXPORT)
_MODEL_NAMES = re.compile(
    r"\.(joblib|pkl|pickle|onnx|pt|pth|safetensors|skops|keras|h5|txt|json|ubj|cbm|bin)$"
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]*")


def bill_of_materials(record: RunRecord) -> str:
    """The bill of materials of a run, as JSON; the same run gives the same bytes."""
    return json.dumps(document(record), indent=2, ensure_ascii=True) + "\n"


def document(record: RunRecord) -> dict[str, Any]:
    """The value that `bill_of_materials` writes."""
    steps = {step.component: step for step in record.steps}
    data, models = list(_data(steps)), list(_models(record, steps))
    packages = list(_packages(steps))
    made_from = [item["bom-ref"] for item in data]
    with_packages = [item["bom-ref"] for item in packages]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, f'{record.project}/{record.run_id}')}",
        "version": 1,
        "metadata": _metadata(record),
        "components": [*models, *data, *packages],
        "dependencies": [
            {"ref": "project", "dependsOn": [item["bom-ref"] for item in models]},
            *(
                {"ref": item["bom-ref"], "dependsOn": [*made_from, *with_packages]}
                for item in models
            ),
        ],
    }


def _metadata(record: RunRecord) -> dict[str, Any]:
    stamp = datetime.fromtimestamp(int(record.finished), UTC).isoformat()
    facts = {
        **record.environment,
        **{f"trust: {name}": text for name, text in record.trust.items()},
    }
    return {
        "timestamp": stamp.replace("+00:00", "Z"),
        "tools": {
            "components": [{"type": "application", "name": "hauberk", "version": __version__}]
        },
        "component": {
            "type": "application",
            "bom-ref": "project",
            "name": visible(record.project),
            "version": visible(record.run_id),
        },
        "properties": [
            *_properties("environment", facts),
            *_properties("run", {"isolation": str(record.isolation), "id": record.run_id}),
        ],
    }


def _properties(group: str, facts: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"name": visible(f"hauberk:{group}:{name}"), "value": visible(str(text))}
        for name, text in facts.items()
    ]


def _ref(kind: str, name: str, digest: str) -> str:
    return f"{kind}:{visible(name)}@{digest.removeprefix('sha256:')[:16]}"


def _hashes(name: str, digest: Digest) -> dict[str, Any]:
    """A file's hash. A folder has none that another tool could compute: `_origin` names its."""
    if name.endswith("/"):
        return {}
    return {"hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]}


def _origin(room: Component, name: str, digest: Digest) -> dict[str, str]:
    return {"made by": str(room)} | ({"tree digest": digest} if name.endswith("/") else {})


# Data --------------------------------------------------------------------------------


def _data(steps: dict[Component, StepReport]) -> Iterator[dict[str, Any]]:
    seen: set[tuple[str, str]] = set()
    for room in _DATA_ROOMS:
        step = steps.get(room)
        for name, digest in (step.outputs if step else {}).items():
            if (name, digest) in seen:
                continue
            seen.add((name, digest))
            entry: dict[str, Any] = {
                "type": "data",
                "bom-ref": _ref("data", name, digest),
                "name": visible(name),
                "version": digest.removeprefix("sha256:")[:16],
                **_hashes(name, digest),
                "data": [{"type": "dataset", "name": visible(name)}],
                "properties": _properties("data", _origin(room, name, digest)),
            }
            yield entry


# Models ------------------------------------------------------------------------------


def _models(record: RunRecord, steps: dict[Component, StepReport]) -> Iterator[dict[str, Any]]:
    judged = steps[Component.VALIDATION].inputs if Component.VALIDATION in steps else {}
    for room in _MODEL_ROOMS:
        step = steps.get(room)
        for name, digest in (step.outputs if step else {}).items():
            is_judged = judged.get(name) == digest
            if is_judged or (room is Component.MODEL_EXPORT and _MODEL_NAMES.search(name)):
                yield {
                    "type": "machine-learning-model",
                    "bom-ref": _ref("model", name, digest),
                    "name": visible(f"{record.project}/{name}"),
                    "version": digest.removeprefix("sha256:")[:16],
                    **_hashes(name, digest),
                    "modelCard": _card(steps),
                    "properties": _properties("model", _origin(room, name, digest)),
                }


def _card(steps: dict[Component, StepReport]) -> dict[str, Any]:
    preparation = steps.get(Component.PREPARATION)
    datasets = [
        {"ref": _ref("data", name, digest)}
        for name, digest in (preparation.outputs if preparation else {}).items()
    ]
    card: dict[str, Any] = {"modelParameters": {"datasets": datasets}} if datasets else {}
    metrics = list(_metrics(steps.get(Component.VALIDATION)))
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    groups = [item for item in metrics if ":" in item["type"]]
    if groups:
        card["considerations"] = {
            "fairnessAssessments": [
                {
                    "groupAtRisk": item["type"].partition(":")[2],
                    "harms": f"{item['type'].partition(':')[0]} of {item['value']}",
                }
                for item in groups
            ]
        }
    return card


def _metrics(step: StepReport | None) -> Iterator[dict[str, str]]:
    """Numbers that the sealed test set gave, without the bounds they were held against."""
    for section in step.sections if step else ():
        for name, text in section.rows:
            number = _NUMBER.match(text)
            if number:
                yield {"type": visible(name), "value": number.group(), "slice": "sealed test set"}


# Packages ----------------------------------------------------------------------------


def _packages(steps: dict[Component, StepReport]) -> Iterator[dict[str, Any]]:
    pipeline = steps.get(Component.PIPELINE)
    rows = [
        row
        for section in (pipeline.sections if pipeline else ())
        if section.title == PACKAGES
        for row in section.rows
    ]
    seen: set[str] = set()
    for name, version in rows:
        plain = re.sub(r"[-_.]+", "-", name).lower()
        ref = f"pkg:pypi/{plain}@{version}"
        if not _PLAIN.fullmatch(plain) or not re.fullmatch(r"[\w.!+-]+", version) or ref in seen:
            continue
        seen.add(ref)
        yield {
            "type": "library",
            "bom-ref": ref,
            "name": plain,
            "version": version,
            "purl": ref.replace("+", "%2B"),
        }
