"""What the worker said of remedies, before and after, believed no further than its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hauberk.core.record import Section
from hauberk.errors import ArtifactError

REMEDIES = ("squeeze", "adversarial", "reweighing", "thresholds", "private", "cleanse")
"""What `hauberk validate --remedy` takes; `lifecycle.workers.remedies` says what each does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedied:
    """One remedy.

    Attributes:
        before: Metric to value without it.
        after: Metric to value with it.
        reason: Why it does not fit; empty where it does.
    """

    name: str
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each metric, and what became of it."""
        for name, now in self.after.items():
            if name in self.before:
                value = self.before[name]
                yield name, f"{value:.3f} -> {now:.3f} ({now - value:+.3f})"
            else:
                yield name, f"{now:.4g}"


def remedies_of(answer: Any) -> tuple[Remedied, ...]:
    """The worker's answer as values.

    Raises:
        ArtifactError: It is malformed.
    """
    try:
        return tuple(
            Remedied(
                name=str(item["name"]),
                before=_numbers(item.get("before")),
                after=_numbers(item.get("after")),
                reason=str(item.get("not_applicable") or ""),
            )
            for item in answer
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            "the worker's answer is malformed", found=f"{type(error).__name__}: {error}"
        ) from error


def _numbers(given: Any) -> dict[str, float]:
    return {} if given is None else {str(name): float(value) for name, value in given.items()}


def remedies_section(found: tuple[Remedied, ...]) -> Section:
    """What the page says of them."""
    rows: list[tuple[str, str]] = []
    for one in found:
        if one.reason:
            rows.append((one.name, f"not tried: {one.reason}"))
        rows += [(f"{one.name}: {name}", text) for name, text in one.lines()]
    return Section(title="Remedies, before and after", rows=tuple(rows))
