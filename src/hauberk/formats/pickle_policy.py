"""What is known about the names that pickles import.

Three sources, all data in this package: the list generated from the libraries themselves
(``pickle_allowlist.json``, written by ``scripts/generate_pickle_allowlist.py``), the
reviewed list of plain values, and the names known to run code
(``pickle_knowledge.toml``). A name that is in none is unknown, which is never the same as
harmless. Only exact names are listed, never whole modules: a module's other names are how
gadgets would pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hauberk.formats.late_patterns import late
from hauberk.formats.pickle_values import Global


class Standing(StrEnum):
    """What is known about a name."""

    LISTED = "listed"
    UNKNOWN = "unknown"
    CODE = "carries code"
    DANGEROUS = "dangerous"


class Home(StrEnum):
    """Whose name it is."""

    STANDARD = "standard library"
    LIBRARY = "reviewed library"
    FOREIGN = "other package"


class Known(NamedTuple):
    """What is known about one name.

    Attributes:
        uses: For a listed name, what honest writers do with it: ``r`` refer, ``c`` call,
            ``n`` make without constructor, ``k`` fill as a container.
        reason: Why it is dangerous; empty otherwise.
    """

    standing: Standing
    home: Home
    uses: str = ""
    reason: str = ""


class _Knowledge(NamedTuple):
    listed: Mapping[str, str]
    modules: frozenset[str]
    names: frozenset[str]
    exceptions: frozenset[str]
    code: frozenset[str]
    code_modules: frozenset[str]
    anywhere: frozenset[str]
    reached: frozenset[str]
    libraries: frozenset[str]
    standard: frozenset[str]


@cache
def _knowledge() -> _Knowledge:
    import json
    import tomllib

    folder = Path(__file__).parent
    reviewed = tomllib.loads((folder / "pickle_knowledge.toml").read_text("utf-8"))
    generated = json.loads((folder / "pickle_allowlist.json").read_text("utf-8"))
    danger = reviewed["dangerous"]
    return _Knowledge(
        listed=_flat(generated["globals"]) | reviewed["listed"] | _torch(reviewed),
        modules=frozenset(danger["modules"]),
        names=frozenset(danger["names"]),
        exceptions=frozenset(danger["exceptions"]),
        code=frozenset(danger["code"]),
        code_modules=frozenset(danger["code_modules"]),
        anywhere=frozenset(danger["anywhere"]),
        reached=frozenset(danger["reached"]),
        libraries=frozenset(generated["libraries"]) | {"torch"},
        standard=frozenset(reviewed["standard"]["modules"]),
    )


def _flat(globals_: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {
        f"{module}.{name}": uses
        for module, names in globals_.items()
        for name, uses in names.items()
    }


def _torch(reviewed: Mapping[str, Any]) -> dict[str, str]:
    dtypes = {f"torch.{name}": "r" for name in reviewed["torch_dtypes"]["names"]}
    modules = reviewed["torch_modules"]
    classes = {f"{module}.{name}": "rn" for module, names in modules.items() for name in names}
    return dtypes | classes


def known(name: Global) -> Known:
    """What is known about ``name``."""
    knowledge = _knowledge()
    root = name.module.partition(".")[0]
    home = _home(root, knowledge)
    if uses := _listed_uses(name, root, knowledge):
        return Known(Standing.LISTED, home, uses)
    if name.path in knowledge.exceptions:
        return Known(Standing.UNKNOWN, home)
    if _covers(knowledge.code_modules, name.path) or name.path in knowledge.code:
        return Known(Standing.CODE, home, reason="carries compiled code")
    if reason := _danger(name, knowledge, home):
        return Known(Standing.DANGEROUS, home, reason=reason)
    if _is_attribute_of_listed(name, knowledge):
        return Known(Standing.LISTED, home, "r")
    return Known(Standing.UNKNOWN, home)


def _listed_uses(name: Global, root: str, knowledge: _Knowledge) -> str:
    """What honest writers do with a name that is on the list; empty for any other."""
    if root == "__torch__":
        # Classes of a TorchScript archive, which stand in the archive itself: Python has no
        # such package, and the loader in C++ never asks it.
        return "rcn"
    # CPython walks attributes since protocol 4; where a dot is no part of a listed name,
    # it is the way from a harmless module to another one.
    if not _is_written_plainly(name):
        return ""
    return knowledge.listed.get(name.path, "") or _uses_before(name, root)


def _uses_before(name: Global, root: str) -> str:
    """What honest writers do with a class that stood in another module of its package before.

    scikit-learn moved its classes into private modules in 0.22, and files of before name the
    old ones: ``sklearn.ensemble.forest`` for what is ``sklearn.ensemble._forest`` now.
    """
    package, _, module = name.module.rpartition(".")
    is_old = root == "sklearn" and package.count(".") == 1 and module[:1] != "_"
    return _moved_classes().get((package, name.name), "") if is_old else ""


@cache
def _moved_classes() -> Mapping[tuple[str, str], str]:
    found = {}
    for path, uses in _knowledge().listed.items():
        parts = path.split(".")
        is_class = len(parts) == 4 and parts[3][:1].isupper()  # noqa: PLR2004 - sklearn.a._b.C
        if is_class and parts[0] == "sklearn" and parts[2][:1] == "_":
            found[f"sklearn.{parts[1]}", parts[3]] = uses
    return found


def _is_attribute_of_listed(name: Global, knowledge: _Knowledge) -> bool:
    """Whether this is a method of a listed class: bound methods are written that way."""
    owner, _, last = name.name.rpartition(".")
    is_hidden = last.startswith("__") and last != "__new__"
    return bool(owner) and not is_hidden and f"{name.module}.{owner}" in knowledge.listed


def _home(root: str, knowledge: _Knowledge) -> Home:
    if root in knowledge.standard:
        return Home.STANDARD
    return Home.LIBRARY if root in knowledge.libraries else Home.FOREIGN


_DOTTED_NAMES = frozenset({"datetime.timezone.utc", "zoneinfo.ZoneInfo._unpickle"})


def _is_written_plainly(name: Global) -> bool:
    """Whether module and attribute are divided where the list divides them."""
    return "." not in name.name or name.path in _DOTTED_NAMES or name.name[:1].isupper()


_WALKED = frozenset({"__globals__", "__builtins__", "__subclasses__", "__mro__", "__bases__"})
"""Attributes of harmless functions and classes by which all others are reached."""


def _danger(name: Global, knowledge: _Knowledge, home: Home) -> str:
    if _covers(knowledge.modules, name.path):
        return "runs code or reaches the system"
    if name.path in knowledge.names:
        return "runs code, reaches the system, or is a step on the way there"
    return _danger_of_way(name, knowledge, home)


def _danger_of_way(name: Global, knowledge: _Knowledge, home: Home) -> str:
    """What is wrong with the attributes that lead to a name."""
    *way, last = name.name.split(".")
    if _WALKED & {*way, last}:
        return "leads to every module of the program"
    if last in knowledge.anywhere:
        return "is a function that runs code or changes the interpreter"
    through = [part for part in way if part in knowledge.reached or part in knowledge.anywhere]
    if through or (last in knowledge.reached and home is not Home.FOREIGN):
        return "reaches one module through another"
    if any(
        part.startswith("__") and part != "__new__"
        for part in name.name.split(".")
        if part[-2:] == "__"
    ):
        return "reaches into the interpreter"
    if _SHELL().search(name.name):
        return "is no name but text to run"
    return ""


_SHELL = late(r"[;|&$`\s()/\\]")


def _covers(modules: frozenset[str], path: str) -> bool:
    """Whether ``path`` or a package above it is among ``modules``."""
    while path:
        if path in modules:
            return True
        path = path.rpartition(".")[0]
    return False
