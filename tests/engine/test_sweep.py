from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Batch, Dataset
from hauberk.core.control import NotApplicable, Stream, Tally
from hauberk.core.finding import Finding, Outcome, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.engine import sweep


class Rows:
    def __init__(self, n: int) -> None:
        self.num_rows = n
        self.schema = None

    def column(self, i: Any) -> Any:
        raise KeyError(i)


class Reader:
    def __init__(self, *, fails_after: int | None = None) -> None:
        self.passes = 0
        self.fails_after = fails_after

    def __call__(self) -> Iterator[Batch]:
        self.passes += 1
        for number in range(3):
            if number == self.fails_after:
                raise OSError("disk gone")
            yield Rows(10)


def dataset(reader: Reader) -> Dataset:
    return Dataset(name="rows", columns=(), read=reader)


class Counter:
    def __init__(self, limit: int) -> None:
        self.n = 0
        self.turns = 0
        self.limit = limit

    def update(self, batch: Batch) -> None:
        self.n += batch.num_rows
        if self.limit and self.n > self.limit:
            raise ValueError("too many")

    def merge(self, other: Counter) -> None:
        self.n += other.n

    def turn(self) -> None:
        self.turns += 1

    def findings(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        yield Finding(
            message=f"{self.n} rows in {self.turns + 1} passes",
            path=subject.name,
            severity=Severity.LOW,
            remedy="none",
        )

    def to_bytes(self) -> bytes:
        return str(self.n).encode()


@dataclass(frozen=True, kw_only=True)
class Counting(Stream):
    title: ClassVar[str] = "Rows are counted"
    threats: ClassVar[tuple[ThreatId, ...]] = ()
    subject: ClassVar[Any] = Dataset
    limit: int = 0
    needs: str = ""

    def start(self, subject: Dataset) -> Tally:
        if self.needs:
            raise NotApplicable(self.needs)
        return Counter(self.limit)

    def from_bytes(self, state: bytes, subject: Dataset) -> Tally:
        counter = Counter(self.limit)
        counter.n = int(state)
        return counter


@dataclass(frozen=True, kw_only=True)
class Twice(Counting):
    passes: ClassVar[int] = 2


def test_several_controls_share_one_read() -> None:
    reader = Reader()
    results = sweep([Counting(), Counting()], dataset(reader))
    assert reader.passes == 1
    assert [result.findings[0].message for result in results] == ["30 rows in 1 passes"] * 2


def test_a_second_pass_is_read_only_for_those_who_need_it() -> None:
    reader = Reader()
    once, twice = sweep([Counting(), Twice()], dataset(reader))
    assert reader.passes == 2
    assert once.findings[0].message == "30 rows in 1 passes"
    assert twice.findings[0].message == "60 rows in 2 passes"


def test_one_broken_control_does_not_end_the_others() -> None:
    broken, whole = sweep([Counting(limit=10), Counting()], dataset(Reader()))
    assert broken.outcome is Outcome.FAILED
    assert whole.outcome is Outcome.FLAGGED


def test_data_that_cannot_be_read_is_failed_for_all() -> None:
    results = sweep([Counting(), Counting()], dataset(Reader(fails_after=1)))
    assert {result.outcome for result in results} == {Outcome.FAILED}


def test_a_missing_column_is_not_applicable_with_the_reason() -> None:
    (result,) = sweep([Counting(needs="no label column")], dataset(Reader()))
    assert (result.outcome, result.reason) == (Outcome.NOT_APPLICABLE, "no label column")
