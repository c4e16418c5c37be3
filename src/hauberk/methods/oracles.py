"""What an attacker hears from a served model, row by row.

Attacks on a stream of queries are generators: they yield a row and are sent what was heard.
So one attack plays against a bare model, against the guard, and inside wrappers that hide
it: covered by ordinary traffic, or spread over several accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One answer.

    Attributes:
        label: The class that the model names; -1 where the query was refused.
        scores: ``(n_classes,)`` probabilities, where the answer has them.
    """

    label: int
    scores: Any = None

    @property
    def refused(self) -> bool:
        """Whether the query was not answered."""
        return self.label < 0


REFUSED = Heard(label=-1)

Queries = Generator[Any, Heard, Any]
"""Yields rows, is sent what was heard, and returns what the attacker was after or ``None``."""


class Oracle(Protocol):
    """A model that answers one row at a time."""

    def ask(self, row: Any, account: int = 0) -> Heard:
        """What the model says of ``row``, ``(n_features,)``, asked from an account."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A bare model as an oracle; nothing is refused."""

    scores: Callable[[Any], Any]

    def ask(self, row: Any, account: int = 0) -> Heard:
        """The scores of one row."""
        del account
        found = self.scores(row[None])[0]
        return Heard(label=int(found.argmax()), scores=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How far a stream of queries came.

    Attributes:
        result: What the generator returned.
        queries: Queries sent.
        first_refusal: Number of the first query refused, from 1; 0 where none was.
    """

    result: Any
    queries: int
    first_refusal: int


def drive(
    queries: Queries,
    oracle: Oracle,
    *,
    budget: int,
    patience: int = 3,
    account: Callable[[int], int] = lambda _: 0,
) -> Played:
    """Send the queries of a generator until it is done, out of budget, or given up.

    Args:
        patience: Refusals in a row after which the attacker gives up.
        account: Which account sends query number ``n``, from 0.
    """
    sent = refusals = first = 0
    try:
        row = next(queries)
        while sent < budget and refusals < patience:
            heard = oracle.ask(row, account(sent))
            sent += 1
            refusals = refusals + 1 if heard.refused else 0
            first = first or (sent if heard.refused else 0)
            row = queries.send(heard)
    except StopIteration as end:
        return Played(result=end.value, queries=sent, first_refusal=first)
    return Played(result=None, queries=sent, first_refusal=first)
