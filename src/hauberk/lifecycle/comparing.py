"""What the worker said of the version before, a group's share and identifiers.

It is believed for its shape alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from hauberk.errors import ArtifactError
from hauberk.lifecycle.robustness import NOT_ASKED

if TYPE_CHECKING:
    from hauberk.methods.metamorphic import Decisive
    from hauberk.methods.property_inference import Inference
    from hauberk.methods.weight_changes import Suspicion


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What speaks for an edit since the version before, or why nothing was compared."""

    found: Suspicion | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """What an audit of a group's share gave, or why there is none."""

    found: Inference | None = None
    reason: str = ""


def edited_of(answer: Any) -> Edited:
    """The worker's answer as a value.

    Raises:
        ArtifactError: It is malformed.
    """
    from hauberk.methods.weight_changes import Suspicion

    found, reason = _read(answer, Suspicion)
    return Edited(found=found, reason=reason)


def inferred_of(answer: Any) -> Inferred:
    """Likewise.

    Raises:
        ArtifactError: It is malformed.
    """
    from hauberk.methods.property_inference import Inference

    found, reason = _read(answer, Inference)
    return Inferred(found=found, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Identifiers of a column that decide, or why none were tried.

    Attributes:
        tried: They, and whether so many do that the column is a feature.
    """

    column: str
    tried: tuple[tuple[Decisive, ...], bool] = ((), False)
    reason: str = ""


def decided_of(answer: Any) -> tuple[Decided, ...]:
    """The worker's answer as values.

    Raises:
        ArtifactError: It is malformed.
    """
    try:
        return tuple(_decided(item) for item in answer)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            "the worker's answer is malformed", found=f"{type(error).__name__}: {error}"
        ) from error


def _decided(item: Any) -> Decided:
    from hauberk.methods.metamorphic import Decisive

    if reason := item.get("not_applicable"):
        return Decided(column=str(item["column"]), reason=str(reason))
    found = tuple(
        Decisive(
            value=str(one["value"]),
            given=int(one["given"]),
            changed=int(one["changed"]),
            n_base=int(one["n_base"]),
        )
        for one in item["found"]
    )
    return Decided(column=str(item["column"]), tried=(found, item["is_feature"] is True))


def _read(answer: Any, kind: Any) -> tuple[Any, str]:
    if answer is None:
        return None, NOT_ASKED
    try:
        if reason := answer.get("not_applicable"):
            return None, str(reason)
        given = {item.name: _kept(answer[item.name]) for item in fields(kind)}
        return kind(**given), ""
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            "the worker's answer is malformed", found=f"{type(error).__name__}: {error}"
        ) from error


def _kept(value: Any) -> Any:
    if isinstance(value, list):
        low, high = map(float, value)
        return low, high
    if not isinstance(value, int | float | str):
        raise TypeError(type(value).__name__)
    return value
