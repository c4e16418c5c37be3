"""An examination outside a run, signed: what `hauberk validate --attest` writes.

It counts for a model and a sealed set by their digests. A registry lets it stand in for an
examination that has grown old; it proves nothing of how the model came to be.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hauberk import __version__
from hauberk.core.policy import EvidenceMode
from hauberk.errors import UnavailableError
from hauberk.isolation.probing import best_level
from hauberk.lifecycle import judging
from hauberk.lifecycle.evaluator import Request
from hauberk.lifecycle.evaluator import Result as Found
from hauberk.lifecycle.signing import keys_folder
from hauberk.trust.digest import digest_file
from hauberk.trust.keys import Role
from hauberk.trust.policy import sealed
from hauberk.trust.predicates import Circumstances, ModelTest, Result, model_test_statement
from hauberk.trust.root import resolve
from hauberk.trust.signer import Signer

_RESULTS = {1: Result.FAILED, 3: Result.WARNED}


def signed(
    request: Request,
    found: Found,
    *,
    project: str,
    configuration: Path,
    root_file: Path | None,
    now: float,
    code: int,
) -> bytes:
    """The examination in its signed envelope.

    Args:
        project: Whose pinned policy it is made under.
        configuration: Where the user's keys and pinned roots lie.
        root_file: The project's root of trust, where it is not pinned.
        now: Seconds since the epoch.
        code: The exit code: 1 where something is proven against it, 3 where something could not
            be assessed.

    Raises:
        UnavailableError: There are no keys.
        TrustError: The keys are open to others, or the root is not the pinned one.
    """
    folder = keys_folder(configuration)
    root = resolve(project, configuration, file=root_file)
    level = best_level()
    if level.rank < root.policy.min_isolation.rank:
        raise UnavailableError(
            "isolation is weaker than the pinned policy allows",
            subject="isolation",
            rule="below the policy's level nothing is signed",
            expected=f"at least {root.policy.min_isolation}",
            found=level.value,
            hint="install bubblewrap",
        )
    test = ModelTest(
        name="validate",
        model=request.model.name,
        digest=found.model,
        data={request.data_path.name: digest_file(request.data_path)},
        result=_RESULTS.get(code, Result.PASSED),
        circumstances=Circumstances(
            run=f"validate-{secrets.token_hex(8)}",
            sequence=0,
            policy=sealed(root.policy),
            tool_version=__version__,
        ),
        isolation=level,
        evidence=EvidenceMode.ISOLATED,
        passed=tuple(name for name in request.bounds if not _is_broken(name, found)),
        failed=tuple(_failures(request, found)) if code == 1 else (),
        metrics={**found.metrics, **found.robustness.metrics},
        intervals=_intervals(found),
        strength=strength_of(request, found),
        at=round(now, 3),
    )
    with Signer.start(folder, (Role.LIFECYCLE,)) as signer:
        payload = model_test_statement(test)
        envelope = signer.sign(Role.LIFECYCLE, payload, {test.model: request.model})
    return envelope.to_bytes()


def _is_broken(name: str, found: Found) -> bool:
    return any(sentence.startswith(f"{name} is ") for sentence in found.unkept)


def _failures(request: Request, found: Found) -> list[str]:
    bounds = [name for name in request.bounds if _is_broken(name, found)]
    judged = (*found.assessments, *found.training)
    return [*bounds, *(item.control for item in judged if item.findings)]


def _intervals(found: Found) -> dict[str, tuple[float, float]]:
    own = {} if found.accuracy is None else {"accuracy": found.accuracy}
    return own | found.robustness.intervals


def strength_of(request: Request, found: Found) -> dict[str, Mapping[str, Any]]:
    """Part of the examination to how hard it was; parts that were not gone through are left out."""
    parts: dict[str, Mapping[str, Any]] = {}
    if found.robustness.strength is not None:
        parts["robustness"] = found.robustness.strength
    if (searched := judging.strength(found.triggers, found.owned)) is not None:
        parts["backdoor"] = searched
    if request.data.sensitive and "fairness" not in found.reasons:
        parts["fairness"] = {
            "columns": list(request.data.sensitive),
            "of": found.n_rows,
            "rows": found.n_rows,
        }
    if found.leak is not None:
        n_rows = found.leak.n_members
        parts["membership"] = {"of": n_rows, "rows": n_rows, "others": found.leak.n_others}
    if found.exposed.found is not None:
        parts["membership"] = {
            **parts.get("membership", {}),
            "of": int(found.exposed.found.is_member.sum()),
            "rows": int(found.exposed.found.is_member.sum()),
            "shadows": found.exposed.found.n_shadows,
        }
    for one in found.remedied:
        if not one.reason:
            parts[f"remedy {one.name}"] = {
                "of": found.n_rows,
                "rows": found.n_rows,
                **{f"{name}, before": value for name, value in one.before.items()},
                **{f"{name}, after": value for name, value in one.after.items()},
            }
    return parts
