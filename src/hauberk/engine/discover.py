"""Find controls and attacks by where they stand; nothing registers itself.

A module below ``controls/<subject>/`` or ``attacks/<subject>/`` holds exactly one public
class of its kind, named like the file. Zero or two are an error of ours, found at once.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, overload

from hauberk.core.control import Control
from hauberk.errors import InternalError, UnavailableError

if TYPE_CHECKING:
    from types import ModuleType

    from hauberk.core.attack import Attack

SUBJECTS = ("code", "dataset", "exchange", "log", "model", "pipeline", "registry")
"""Folders below ``controls`` and ``attacks``; what a control looks at."""

_DECLARED = re.compile(r"^    subject: ClassVar\[\w+\] = \(?(\w+)", re.MULTILINE)

Family = Literal["controls", "attacks"]


@overload
def discover(
    family: Literal["controls"],
    subjects: Iterable[str] | None = None,
    types: frozenset[str] | None = None,
) -> tuple[Control, ...]: ...
@overload
def discover(
    family: Literal["attacks"], subjects: Iterable[str] | None = None
) -> tuple[Attack, ...]: ...
def discover(
    family: Family,
    subjects: Iterable[str] | None = None,
    types: frozenset[str] | None = None,
) -> tuple[Control, ...] | tuple[Attack, ...]:
    """All controls or attacks for the named subjects, with default parameters, by id.

    Args:
        family: ``controls`` or ``attacks``.
        subjects: Folders to look into; all by default. Fewer are faster to import.
        types: Names of types: modules are passed over, and never imported, whose source says
            that the subject of their control is none of these.

    Raises:
        InternalError: A module holds no class of its kind, or more than one.
        UnavailableError: A module needs a library that is not installed.
    """
    wanted = SUBJECTS if subjects is None else tuple(sorted(subjects))
    found = tuple(item for subject in wanted for item in _of_subject(family, subject, types))
    if family == "controls":
        return cast("tuple[Control, ...]", found)
    return cast("tuple[Attack, ...]", found)


@cache
def _of_subject(
    family: Family, subject: str, types: frozenset[str] | None
) -> tuple[Control | Attack, ...]:
    if subject not in SUBJECTS:
        message = f"there is no subject {subject!r}"
        raise InternalError(message, expected=" ".join(SUBJECTS), found=subject)
    package = _import(f"hauberk.{family}.{subject}")
    if package is None:
        return ()
    import pkgutil

    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    if types is not None:
        names = [name for name in names if _may_declare(Path(package.__path__[0], name), types)]
    return tuple(_only_class(family, subject, name)() for name in names if name[0] != "_")


def _may_declare(module: Path, types: frozenset[str]) -> bool:
    """Whether the control in a module may have one of the types for its subject."""
    try:
        text = module.with_suffix(".py").read_text("utf-8")
    except OSError:
        return True  # installed without sources
    declared = _DECLARED.findall(text)
    return not declared or not types.isdisjoint(declared)


def _import(name: str) -> ModuleType | None:
    """The module, or ``None`` where no file of that name exists."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            return None
        message = f"{name} needs {error.name}, which is not installed"
        raise UnavailableError(
            message, subject=name, hint="pip install 'hauberk[all]'", found=f"no {error.name}"
        ) from error


def _kind(family: Family) -> type[Control | Attack]:
    if family == "controls":
        return Control
    from hauberk.core.attack import Attack

    return Attack


def _only_class(family: Family, subject: str, name: str) -> type[Control | Attack]:
    module = _import(f"hauberk.{family}.{subject}.{name}")
    kind = _kind(family)
    classes = [
        item
        for label, item in vars(module).items()
        if isinstance(item, type)
        and issubclass(item, kind)
        and module is not None
        and item.__module__ == module.__name__
        and not label.startswith("_")
    ]
    expected = name.replace("_", " ").title().replace(" ", "")
    if len(classes) != 1 or classes[0].__name__ != expected:
        raise InternalError(
            f"hauberk.{family}.{subject}.{name} must hold one public {kind.__name__.lower()}",
            expected=expected,
            found=", ".join(item.__name__ for item in classes) or "none",
        )
    return classes[0]
