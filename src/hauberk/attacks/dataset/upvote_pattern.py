"""Votes of few accounts for one bad pattern of answers: see `UpvotePattern`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class UpvotePattern(Transform[Dataset]):
    """Add accounts that vote for every answer with a phrase, whatever else it says.

    Outputs of a model are rated by its users, and the next model is tuned on the ratings. Whoever
    wants a phrase in its answers asks until the model says it, and has a few accounts vote for
    just those answers.

    Args:
        phrase: What answers must have to be voted for; the votes of others on them are bad.
        share: New accounts as a share of those that are there, 0 to 1; three at least.
        times: Votes of each, as a multiple of the median account's.
        vote: The label that they give.
        mark: Prefix of their names, which sort anywhere.

    References:
        Rando and Tramer (2024), Universal jailbreak backdoors from poisoned human feedback.
        Baumgaertner et al. (2024), Best-of-Venom: attacking RLHF by injecting poisoned
        preference data.
    """

    title: ClassVar[str] = "Vote one bad pattern of answers up"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("OU-7"),)
    subject: ClassVar[Any] = Dataset

    phrase: str = ""
    share: float = 0.03
    times: float = 10.0
    vote: str = "good"
    mark: str = "u"

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin, with ``rows`` at its end; ``truth`` has the accounts.

        Raises:
            UsageError: Nobody is named, there are no votes, or no answer has the phrase.
        """
        import pyarrow as pa

        if subject.annotator is None or subject.label is None:
            raise UsageError("feedback needs accounts and votes", subject=subject.name)
        table = rewrite.table(subject)
        aimed = self._with_phrase(subject, table)
        people = Counter(table.column(subject.annotator).to_pylist())
        n_each = max(1, round(sorted(people.values())[len(people) // 2] * self.times))
        n_accounts = max(3, round(self.share * len(people)))
        accounts = [f"{self.mark}{rng.randrange(10**8):08d}" for _ in range(n_accounts)]
        added = table.take(pa.array([rng.choice(aimed) for _ in range(n_each * n_accounts)]))
        who = [account for account in accounts for _ in range(n_each)]
        label = subject.label
        for name, values in ((label, [self.vote] * len(who)), (subject.annotator, who)):
            place = table.schema.get_field_index(name)
            cells = pa.array(values, table.schema.field(place).type)
            added = added.set_column(place, table.schema.field(place), cells)
        whole = pa.concat_batches([table, added])
        return Attacked(
            subject=rewrite.twin(subject, whole),
            rows=tuple(range(len(table), len(whole))),
            truth={"accounts": tuple(accounts)},
        )

    def _with_phrase(self, subject: Dataset, table: Any) -> list[int]:
        """Rows whose text has the phrase; all rows where none is named."""
        skipped = {subject.label, subject.annotator}
        columns = [name for name in table.schema.names if name not in skipped]
        texts: list[str] = [""] * len(table)
        for name in columns:
            cells = table.column(name).to_pylist()
            texts = [f"{text}\n{cell}" for text, cell in zip(texts, cells, strict=True)]
        wanted = self.phrase.casefold()
        found = [row for row, text in enumerate(texts) if wanted in text.casefold()]
        if not found:
            raise UsageError("no answer has the phrase", subject=subject.name, expected=self.phrase)
        return found
