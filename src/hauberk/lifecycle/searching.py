"""What a worker found when it attacked a model and searched it, taken together for a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hauberk.lifecycle import judging
from hauberk.lifecycle.examination_report import owned_section, slices_section, triggers_section
from hauberk.lifecycle.owning import Owned, owned_of
from hauberk.lifecycle.robustness import (
    NOT_ASKED,
    Robustness,
    Triggers,
    robustness_of,
    robustness_section,
    triggers_of,
)

if TYPE_CHECKING:
    from hauberk.core.finding import Assessment
    from hauberk.core.record import Section
    from hauberk.methods.slices import Slice


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A model that was examined.

    Attributes:
        robustness: What attacks on it gave.
        triggers: What the search of a network gave.
        owned: What the search of trees gave.
        classes: Names in the order of its scores.
        features: Columns that it takes.
        twice: What two calls of the same rows gave; ``None`` where nobody asked.
    """

    robustness: Robustness = field(default_factory=Robustness)
    triggers: Triggers = field(default_factory=lambda: Triggers(reason=NOT_ASKED))
    owned: Owned = field(default_factory=lambda: Owned(reason=NOT_ASKED))
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    twice: Any = None

    @property
    def strength(self) -> dict[str, Mapping[str, Any]]:
        """How hard it was searched, as attestations say it."""
        found = judging.strength(self.triggers, self.owned)
        return {} if found is None else {"backdoor": found}

    def assessments(self, path: str) -> tuple[Assessment, ...]:
        """What the controls say of what was asked."""
        twice = () if self.twice is None else (judging.drawn(path, self.twice),)
        if self.triggers.reason == NOT_ASKED:
            return twice
        return (
            *twice,
            judging.triggers(path, self.classes, self.triggers),
            judging.owned(path, self.features, self.classes, self.owned),
        )

    def sections(self, slices: Sequence[Slice]) -> tuple[Section, ...]:
        """What a report says of it, and of the parts of the rows that look worst."""
        searched = (
            (triggers_section(self.triggers, self.classes), owned_section(self.owned, self.classes))
            if self.triggers.reason != NOT_ASKED
            else ()
        )
        worst = (slices_section(slices),) if slices else ()
        return (robustness_section(self.robustness), *searched, *worst)


def searched_of(answer: Any) -> Searched:
    """The worker's answer as a value.

    Raises:
        ArtifactError: It is malformed.
    """
    classes, features = (tuple(map(str, answer[name])) for name in ("classes", "features"))
    return Searched(
        robustness=robustness_of(answer["robustness"]),
        triggers=triggers_of(answer["triggers"]),
        owned=owned_of(answer["regions"], len(features), len(classes)),
        classes=classes,
        features=features,
        twice=answer["drawn"],
    )
