"""A TOML table that knows where it stands, so that errors can say so."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from hauberk.errors import InternalError

E = TypeVar("E", bound=StrEnum)


def broken(where: str, rule: str, expected: str, found: str) -> InternalError:
    """The error for a catalogue that breaks one of its rules."""
    return InternalError(
        "the catalogue breaks its own rules",
        subject=where,
        rule=rule,
        expected=expected,
        found=found,
        hint="correct the file, then run the tests of the catalogue",
    )


class Fields:
    """The keys of one table, taken one by one; `close` refuses what nobody took.

    Args:
        where: File and table, for messages.
        body: The parsed table; left as it is.
    """

    def __init__(self, where: str, body: Any) -> None:
        self.where = where
        if not isinstance(body, dict):
            raise broken(where, "tables hold keys", "a table", type(body).__name__)
        self._left: dict[str, Any] = dict(body)

    def _take(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        if key not in self._left and default is not None:
            return default
        if key not in self._left:
            raise broken(self.where, "all keys are there", key, "no such key")
        value = self._left.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise broken(f"{self.where}: {key}", "values have one type", str(kind), repr(value))
        return value

    def close(self) -> None:
        """Refuse keys that nobody knows."""
        if self._left:
            known = "no further key"
            raise broken(self.where, "keys are closed", known, ", ".join(sorted(self._left)))

    def text(self, key: str, *, default: str | None = None) -> str:
        """A text that is not empty, on one line."""
        value: str = self._take(key, str, default)
        if (not value.strip() and default is None) or "\n" in value:
            raise broken(f"{self.where}: {key}", "texts are one line", "words", repr(value))
        return value.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty where the key is missing."""
        return tuple(str(item) for item in self._take(key, list, default=[]))

    def texts_by_name(self, key: str) -> Mapping[str, str]:
        """A table of names and texts."""
        inner = Fields(f"{self.where}: {key}", self._take(key, dict))
        return MappingProxyType({name: inner.text(name) for name in tuple(inner._left)})

    def number(self, key: str) -> float:
        """Any number."""
        return float(self._take(key, (int, float)))

    def rate(self, key: str) -> float | None:
        """A number from 0 to 1, or ``None`` where the key is missing."""
        if key not in self._left:
            return None
        value = self.number(key)
        if not 0 <= value <= 1:
            raise broken(f"{self.where}: {key}", "rates lie between 0 and 1", "0..1", str(value))
        return value

    def count(self, key: str) -> int:
        """A whole number from 1."""
        value: int = self._take(key, int)
        if value < 1:
            raise broken(f"{self.where}: {key}", "counts start at 1", "1 or more", str(value))
        return value

    def flag(self, key: str) -> bool:
        """A switch that is off where the key is missing."""
        return bool(self._take(key, bool, default=False))

    def choice(self, key: str, kind: type[E], *, default: E | None = None) -> E:
        """One of the values of an enumeration."""
        value = self._take(key, str, default)
        try:
            return kind(value)
        except ValueError as error:
            allowed = ", ".join(kind)
            raise broken(f"{self.where}: {key}", "values are closed", allowed, value) from error

    def table(self, key: str) -> Fields:
        """A table inside this one; empty where the key is missing."""
        return Fields(f"{self.where}: {key}", self._take(key, dict, default={}))

    def tables(self, key: str) -> tuple[Fields, ...]:
        """An array of tables."""
        bodies = self._take(key, list)
        return tuple(Fields(f"{self.where}: {key}", body) for body in bodies)
