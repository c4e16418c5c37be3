"""Typed looks into parsed JSON whose shape nobody has promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError
from hauberk.trust.digest import parse_digest

E = TypeVar("E", bound=Enum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """One JSON object; every look at it says what was expected where.

    Attributes:
        where: Names the object in errors, from the outside in.
    """

    where: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, value: Any, where: str) -> Fields:
        """The object ``value``.

        Raises:
            ArtifactError: It is none.
        """
        if not isinstance(value, Mapping):
            raise misfit(where, "an object", value)
        return cls(where=where, values=value)

    def only(self, *keys: str) -> Fields:
        """This object if it has no key beyond ``keys``."""
        extra = sorted(self.values.keys() - set(keys))
        if extra:
            raise misfit(self.where, f"only the keys {', '.join(keys)}", ascii(extra[0])[:80])
        return self

    def get(self, key: str, kind: type | tuple[type, ...], expected: str) -> Any:
        """The value of ``key`` if it is of ``kind``; a boolean is never a number."""
        value = self.values.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise misfit(f"{self.where}.{key}", expected, value)
        return value

    def text(self, key: str) -> str:
        """Text that is not empty."""
        value = str(self.get(key, str, "text"))
        if not value:
            raise misfit(f"{self.where}.{key}", "text that is not empty", value)
        return value

    def flag(self, key: str) -> bool:
        """A boolean."""
        return bool(self.get(key, bool, "true or false"))

    def count(self, key: str) -> int:
        """An integer, 0 or more."""
        value = int(self.get(key, int, "an integer"))
        if value < 0:
            raise misfit(f"{self.where}.{key}", "0 or more", value)
        return value

    def object(self, key: str) -> Fields:
        """An object inside."""
        return Fields.of(self.values.get(key), f"{self.where}.{key}")

    def items(self, key: str) -> Iterator[tuple[str, Any]]:
        """The elements of a list, each with its place for errors."""
        for index, item in enumerate(self.get(key, list, "a list")):
            yield f"{self.where}.{key}[{index}]", item

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of text."""
        found = tuple(self.items(key))
        for where, item in found:
            if not isinstance(item, str):
                raise misfit(where, "text", item)
        return tuple(item for _, item in found)

    def choice(self, key: str, kind: type[E]) -> E:
        """The member of an enumeration with the value found."""
        value = self.values.get(key)
        for member in kind:
            if member.value == value:
                return member
        names = ", ".join(str(member.value) for member in kind)
        raise misfit(f"{self.where}.{key}", f"one of {names}", value)

    def digest(self, key: str) -> Digest:
        """A digest."""
        return parse_digest(self.get(key, str, "a digest"))

    def time(self, key: str) -> float:
        """Seconds since the epoch, from a time stamp with a zone (RFC 3339)."""
        value = self.text(key)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise misfit(f"{self.where}.{key}", "a time stamp (RFC 3339)", value) from error
        if moment.tzinfo is None:
            raise misfit(f"{self.where}.{key}", "a time stamp with a zone", value)
        return moment.timestamp()


def time_text(seconds: float) -> str:
    """A time stamp in UTC (RFC 3339) for seconds since the epoch, to the millisecond.

    >>> time_text(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def misfit(where: str, expected: str, found: Any) -> ArtifactError:
    """The error for a value that is not what its place asks for."""
    shown = ascii(found)[:80] if isinstance(found, (str, int, float)) else type(found).__name__
    return ArtifactError(
        f"{where} is malformed",
        subject=where,
        rule="documents have the fields of their format, with values of their types",
        expected=expected,
        found="nothing" if found is None else shown,
    )
