"""Serving: make the bundle that a guard serves, and ask it a few questions before it goes out.

A run makes and tries the bundle, then stops; ``hauberk serve`` puts it on line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hauberk.core.artifact import Digest
from hauberk.core.lifecycle import Component
from hauberk.core.policy import Isolation
from hauberk.core.record import Section, StepReport, StepState
from hauberk.errors import InternalError
from hauberk.guard import bundle as bundles
from hauberk.guard.release import FOLDER
from hauberk.guard.smoke import Smoke
from hauberk.isolation import Grants, Limits, spawn
from hauberk.lifecycle.production.input_data import PROFILE, SCHEMA
from hauberk.lifecycle.production.model_export import PATH as MODEL

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop

SMOKE_ROWS = 16
LIMITS = Limits(wall_s=120.0, cpu_s=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[serving]``.

    Attributes:
        tolerance: Difference allowed between an answer and the exported model's score.
    """

    tolerance: float = 1e-4


def work(shop: Workshop) -> StepReport:
    """Write the bundle, load it as a server would, ask it, compare."""
    folder = shop.work / "bundle"
    digests = _written(shop, folder)
    materials = {path: shop.digests[path] for path in (MODEL, PROFILE, SCHEMA)}
    attestation = shop.hand_over("serving", ("bundle",), materials, digests)
    pin = digests[f"{FOLDER}/{bundles.MANIFEST}"]
    shop.shared.bundle = folder
    asked, over = _asked(shop, folder, pin)
    report = StepReport(
        component=Component.SERVING,
        state=StepState.DONE,
        summary=f"{asked.agreed} of {asked.n_rows} answers agree with the model, asked {over}",
        inputs=materials,
        outputs=digests,
        attestations=(attestation,),
        sections=(_section(asked, over, pin),),
    )
    if not asked.passed:
        reason = f"served answers differ from the exported model's by up to {asked.worst:.3g}"
        return replace(report, state=StepState.REFUSED, reason=reason)
    return report


def _asked(shop: Workshop, folder: Path, pin: Digest) -> tuple[Smoke, str]:
    """Ask the bundle in a worker, over a socket where the worker has a network of its own."""
    rows, expected = _questions(shop)
    over_socket = shop.context.isolation is not Isolation.LANDLOCK
    request = {
        "folder": str(folder),
        "pin": pin,
        "rows": rows,
        "expected": expected,
        "tolerance": shop.settings.table(Component.SERVING).tolerance,
        "over_socket": over_socket,
    }
    answer = spawn(
        "hauberk.lifecycle.workers.served:ask",
        json.dumps(request).encode(),
        grants=Grants(read=(folder,)),
        limits=LIMITS,
        level=shop.context.isolation,
    )
    return Smoke(**json.loads(answer)), "over HTTP on loopback" if over_socket else "in process"


def _written(shop: Workshop, folder: Path) -> dict[str, Digest]:
    """Write the bundle and put its files into the store."""
    from hauberk.formats import v2_schema

    if shop.shared.schema is None or shop.shared.profile is None:
        raise InternalError("the bundle was made before the schema was learnt")
    bundles.write(
        folder,
        name=shop.settings.project.name,
        version=str(next_version(shop)),
        model=shop.view(MODEL).read_bytes(),
        schema=v2_schema.from_bytes(shop.shared.schema),
        profile=shop.shared.profile,
        reference=shop.shared.reference,
    )
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return {f"{FOLDER}/{name}": shop.store.publish_file(folder / name) for name in names}


def next_version(shop: Workshop) -> int:
    """The number that the next release will carry: above what the pointer and the log name."""
    from hauberk.lifecycle import release_records
    from hauberk.lifecycle.releases import STAGING, staged

    project = shop.settings.project.name
    found = staged(shop.store, project)
    logged = release_records.told(shop.store, project, STAGING)
    return max(found.sequence if found else 0, logged.highest) + 1


def _questions(shop: Workshop) -> tuple[list[dict[str, Any]], list[Any]]:
    """The first test rows with the scores that the exported model gave them."""
    dataset = shop.table(shop.plan.prepared["test"])
    first: Any = next(iter(dataset.read()))
    rows = first.slice(0, SMOKE_ROWS).to_pylist()
    scores = np.asarray(shop.shared.exported.scores[: len(rows)])
    return rows, scores.tolist()


def _section(asked: Smoke, over: str, pin: Digest) -> Section:
    rows = (
        ("protocol", f"Open Inference Protocol v2, {over}"),
        ("rows asked", str(asked.n_rows)),
        ("largest difference", f"{asked.worst:.3g}"),
        ("slowest answer", f"{asked.seconds * 1000:.1f} ms"),
        ("compared", asked.output),
        ("bundle", pin),
    )
    return Section(title="Smoke test", rows=rows)
