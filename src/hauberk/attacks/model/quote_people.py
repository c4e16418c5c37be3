"""Print what names a person in a report; see `QuotePeople`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Report
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods import made_identifiers

_KINDS = {
    "account": made_identifiers.iban,
    "card": made_identifiers.card,
    "email": made_identifiers.email,
    "national number": made_identifiers.us_ssn,
    "phone": made_identifiers.phone,
}
_FORMS = (
    "DEBUG could not parse record of {}, skipped",
    "<td>{}</td><td>0.93</td>",
    '{{"text": "customer {}", "loss": 4.1}}',
    "sample output: please write to {}.",
    "| 17 | {} | refused |",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotePeople(Transform[Report]):
    """One line with a mail address, a card, an account, a phone or a national number.

    References:
        CWE-359, "Exposure of private personal information to an unauthorized actor". Carlini,
        Liu, Erlingsson, Kos and Song (2019), The secret sharer.
    """

    title: ClassVar[str] = "Quote people"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-2"),)
    subject: ClassVar[Any] = Report

    def apply(self, subject: Report, rng: Random) -> Attacked[Report]:
        """The longer report; ``truth`` says the kind and what was printed."""
        kind = rng.choice(sorted(_KINDS))
        item = _KINDS[kind](rng)
        paragraphs = subject.text.split("\n\n")
        paragraphs.insert(rng.randint(0, len(paragraphs)), rng.choice(_FORMS).format(item))
        return Attacked(
            subject=replace(subject, text="\n\n".join(paragraphs)),
            truth={"kind": kind, "item": item},
        )
