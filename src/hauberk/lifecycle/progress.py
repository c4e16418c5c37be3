"""Losses of held-out rows over a training, measured by the runner from its checkpoints."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Replay
from hauberk.core.policy import Isolation
from hauberk.errors import ArtifactError, HauberkError
from hauberk.isolation import Grants, Limits, spawn

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop

WORKER = "hauberk.lifecycle.workers.progress:losses"
LIMITS = Limits(wall_s=120.0, cpu_s=120.0, memory_bytes=4 << 30, processes=64)
MAX_CLASSES, MAX_STATES = 1000, 200


def measured(found: Replay, shop: Workshop, segments: str) -> tuple[Replay, str]:
    """``found`` with the losses of the validation part, or the reason why there are none."""
    part = shop.plan.prepared.get("validation")
    if part is None or not shop.plan.label:
        return found, "there is no validation part with a label"
    model = shop.view(shop.plan.model)
    try:
        from hauberk.engine.load_gate import admit

        admit(model, allow=shop.signing.policy.waivers, today=shop.today)
        answer = ask(
            model,
            shop.view(part),
            shop.view(segments),
            label=shop.plan.label,
            level=shop.context.isolation,
            python=shop.python,
        )
        return with_losses(found, answer)
    except HauberkError as error:
        return found, error.message


def ask(
    model: Path,
    table: Path,
    segments: Path,
    *,
    label: str,
    level: Isolation,
    python: Path,
) -> Any:
    """The answer of a worker that reaches these three files and nothing else."""
    paths = [path.resolve() for path in (model, table, segments)]
    request = dict(zip(("model", "table", "segments"), map(str, paths), strict=True))
    answer = spawn(
        WORKER,
        json.dumps({**request, "label": label}).encode(),
        grants=Grants(read=tuple(paths)),
        limits=LIMITS,
        level=level,
        python=str(python),
    )
    return json.loads(answer)


def with_losses(found: Replay, answer: Any) -> tuple[Replay, str]:
    """The worker's answer, believed no further than its shape.

    Raises:
        ArtifactError: It has another one.
    """
    try:
        if "losses" not in answer:
            return found, str(answer["reason"])[:200]
        losses = {
            str(name): tuple(float(one) for one in line)
            for name, line in list(answer["losses"].items())[:MAX_CLASSES]
        }
        first = int(answer["first"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError("the worker's answer is malformed", found=repr(error)) from error
    lengths = {len(line) for line in losses.values()}
    are_numbers = all(math.isfinite(one) for line in losses.values() for one in line)
    if len(lengths) != 1 or max(lengths) > MAX_STATES or not are_numbers:
        raise ArtifactError(
            "the worker's answer is malformed",
            expected="as many finite losses for each class as there are checkpoints",
            found=f"{len(losses)} classes with {sorted(lengths)[:5]} losses",
        )
    return replace(found, losses=losses, first_state=first), ""
