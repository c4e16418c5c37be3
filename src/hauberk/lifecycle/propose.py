"""Propose a lifecycle file for a project as it is; nothing of the project is run or changed.

Files are told apart by content where that is cheap and by name where it is not. Every
guess stands in the file with a comment that says so; what could not be guessed stands
there as a comment to fill in.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hauberk.lifecycle.staging import project_files

MAX_SCRIPT_BYTES = 1 << 20
MAX_SHOWN = 8
"""Files of a kind that are listed; a folder of a thousand tables is named once."""

TABLES = frozenset({".csv", ".tsv", ".parquet", ".feather", ".arrow", ".jsonl", ".npz"})
MODELS = frozenset({".joblib", ".pkl", ".pickle", ".onnx", ".pt", ".pth", ".safetensors", ".h5"})
_REQUIREMENTS = ("requirements.txt", "pyproject.toml", "environment.yml", "setup.py")
_LABELS = ("label", "target", "class", "y", "outcome", "approved", "approve", "default", "income")
_SENSITIVE = ("race", "sex", "gender", "ethnicity", "religion", "black", "hispan", "male", "age")
_PREPARED = ("train", "test", "valid", "holdout", "clean", "processed", "prepared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script with the paths that it names, as far as they are written out.

    Attributes:
        strings: String constants that look like paths, in order.
        logs_model: Whether the model is handed to an experiment tracker, not written to a path.
    """

    path: str
    strings: tuple[str, ...]
    trains: bool
    logs_model: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was found in a project, paths relative to it."""

    name: str
    tables: tuple[str, ...]
    models: tuple[str, ...]
    scripts: tuple[Script, ...]
    requirements: tuple[str, ...]
    python: str | None
    columns: tuple[str, ...]


def look(root: Path) -> Inventory:
    """What lies in the project at ``root``."""
    files = sorted(path.relative_to(root).as_posix() for path in project_files(root))
    tables = tuple(path for path in files if Path(path).suffix.lower() in TABLES)
    scripts = tuple(_script(root, path) for path in files if path.endswith(".py"))
    raw = _raw(tables)
    return Inventory(
        name=re.sub(r"[^A-Za-z0-9_-]+", "-", root.resolve().name).strip("-") or "project",
        tables=tables,
        models=tuple(path for path in files if Path(path).suffix.lower() in MODELS),
        scripts=scripts,
        requirements=tuple(path for path in _REQUIREMENTS if path in files),
        python=next((name for name in (".venv", "venv") if _has_python(root, name)), None),
        columns=columns_of(root / raw[0]) if raw else (),
    )


def write(found: Inventory) -> str:
    """The proposed lifecycle file, commented."""
    blocks = [
        _head(found),
        _acquisition(found),
        _preprocessing(found),
        _preparation(found),
        _training(found),
        _validation(found),
    ]
    return "\n".join(blocks)


# Looking -------------------------------------------------------------------------------


def _raw(tables: Sequence[str]) -> tuple[str, ...]:
    """Tables that no name says were made by a step."""
    return tuple(
        path for path in tables if not any(word in Path(path).stem.lower() for word in _PREPARED)
    )


def _has_python(root: Path, name: str) -> bool:
    return (root / name / "bin" / "python").exists()


def _script(root: Path, path: str) -> Script:
    file = root / path
    try:
        text = file.read_bytes()[:MAX_SCRIPT_BYTES].decode("utf-8")
        tree = ast.parse(text)
    except (SyntaxError, ValueError, OSError, RecursionError):
        return Script(path=path, strings=(), trains=False)
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    paths = [text for text in strings if re.fullmatch(r"[\w./-]+\.[A-Za-z0-9]{2,8}", text)]
    calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    logs = "log_model" in calls or "autolog" in calls
    trains = "fit" in calls and (logs or bool({"dump", "save", "save_model", "export"} & calls))
    return Script(
        path=path, strings=tuple(dict.fromkeys(paths)), trains=trains, logs_model=trains and logs
    )


def columns_of(path: Path) -> tuple[str, ...]:
    """Names in the first line of a delimited text; nothing for other files."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        return ()
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 16).decode("utf-8", "replace").strip()
    except OSError:  # it is named all the same, and the run says why it cannot be read
        return ()
    separator = "\t" if "\t" in line else ";" if ";" in line and "," not in line else ","
    return tuple(part.strip().strip('"') for part in line.split(separator))


# Writing -------------------------------------------------------------------------------


def _head(found: Inventory) -> str:
    lines = [
        "# Lifecycle of this project, proposed by `hauberk init`. Check it, then: hauberk run",
        "# Lines that start with `# ?` are guesses that could not be made.",
        "",
        "[project]",
        f"name = {json.dumps(found.name)}",
    ]
    if found.python:
        lines.append(f'python = "{found.python}/bin/python"  # the environment found here')
    else:
        lines.append(
            '# python = ".venv/bin/python"  # the project\'s own environment, if it has one'
        )
    if not found.requirements:
        lines.append(
            "# ? no requirements.txt or lock file: the environment is recorded, not pinned"
        )
    return "\n".join([*lines, ""])


def _acquisition(found: Inventory) -> str:
    raw = _raw(found.tables)[:MAX_SHOWN]
    if not raw:
        return (
            "# ? no raw data were found\n[acquisition.data]\n"
            'uri = "data/raw.csv"\nlabel = "label"\n'
        )
    return "\n".join(acquisition_lines(raw, found.columns))


def acquisition_lines(raw: Sequence[str], columns: Sequence[str] = ()) -> list[str]:
    """The tables of sources; the first bears the guesses about label and groups."""
    lines = []
    names: set[str] = set()
    for path in raw:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(path).stem).strip("-") or "data"
        name = plain if plain not in names else f"{plain}-{len(names)}"
        names.add(name)
        lines.append(f"[acquisition.{name}]\nuri = {json.dumps(path)}")
        if path == raw[0]:
            lines.append(_roles(columns))
    return [*lines, ""]


def _roles(columns: Sequence[str]) -> str:
    lowered = {name.lower(): name for name in columns}
    label = next((lowered[name] for name in _LABELS if name in lowered), None)
    sensitive = [lowered[name] for name in _SENSITIVE if name in lowered]
    first = (
        f"label = {json.dumps(label)}  # guessed from the name"
        if label
        else f'# ? label = "..."  # one of: {", ".join(columns[:12])}'
    )
    second = (
        f"sensitive = {json.dumps(sensitive)}  # guessed from the names"
        if sensitive
        else '# sensitive = ["..."]  # columns that name a protected group'
    )
    return f"{first}\n{second}"


def _preprocessing(found: Inventory) -> str:
    steps = [script for script in found.scripts if not script.trains and _is_step(script)]
    if not steps:
        return '# [preprocessing.clean]\n# run = "python clean.py"\n# inputs = []\n# outputs = []\n'
    shown = steps[:MAX_SHOWN]
    names = _names([Path(script.path) for script in shown])
    return "\n".join(_step(script, name, found) for script, name in zip(shown, names, strict=True))


def _names(paths: Sequence[Path]) -> list[str]:
    """A name of its own for each script: its stem, with folders where others have the same."""
    stems = Counter(_plain(path.stem) for path in paths)
    found: list[str] = []
    for path in paths:
        stem = _plain(path.stem)
        name = stem if stems[stem] == 1 else _plain("-".join((*path.parts[:-1], path.stem)))
        number = 2
        while name in found:
            name, number = f"{stem}-{number}", number + 1
        found.append(name)
    return found


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "step"


def _is_step(script: Script) -> bool:
    return any(Path(text).suffix.lower() in TABLES for text in script.strings) and not any(
        part in script.path for part in ("test", "conftest", "setup.py")
    )


def _step(script: Script, name: str, found: Inventory) -> str:
    raw = set(_raw(found.tables))
    tables = [text for text in script.strings if Path(text).suffix.lower() in TABLES]
    inputs = [text for text in tables if text in raw] or tables[:1]
    outputs = [text for text in tables if text not in inputs]
    return (
        f"[preprocessing.{name}]  # guessed from the paths in the script\n"
        f"run = {json.dumps('python ' + script.path)}\n"
        f"inputs = {json.dumps(inputs)}\noutputs = {json.dumps(outputs)}\n"
    )


def _preparation(found: Inventory) -> str:
    own = {
        role: next((path for path in found.tables if role in Path(path).stem.lower()), None)
        for role in ("train", "validation", "test")
    }
    lines = ["[preparation]", 'split = { test = 0.2, validation = 0.2 }  # add stratify = "label"']
    lines.extend(f"{role} = {json.dumps(path)}" for role, path in own.items() if path)
    return "\n".join([*lines, ""])


def _training(found: Inventory) -> str:
    script = next((item for item in found.scripts if item.trains), None)
    if script is None:
        return (
            "# ? no training script was found\n[training]\n"
            'run = "python train.py"\noutputs = ["model.joblib"]\n'
        )
    outputs = [text for text in script.strings if Path(text).suffix.lower() in MODELS]
    reports = [text for text in script.strings if text.endswith(".json")]
    unnamed = script.logs_model and not outputs
    model = "model.skops" if unnamed else "model.joblib"
    lines = [
        "[training]  # the first output is the model",
        f"run = {json.dumps('python ' + script.path)}",
        f"outputs = {json.dumps([*(outputs or [model]), *reports])}",
    ]
    if unnamed:
        lines.append("# it lies under another name each time; older MLflow writes model.pkl")
        lines.append(f'collect = {{ "{model}" = "mlruns/**/{model}" }}')
    raw = set(_raw(found.tables))
    read = [text for text in script.strings if text in raw]
    if read:
        lines.append("# the script reads the whole table; this puts the training part there")
        lines.append(f'at = {{ {json.dumps(read[0])} = "train" }}')
    if reports:
        lines.append(f"metrics = {json.dumps(reports[0])}  # numbers that the script claims")
    lines.append('limits = { cpu_s = 600, memory = "4GiB", network = [] }')
    return "\n".join([*lines, ""])


def _validation(found: Inventory) -> str:
    del found
    return (
        "[validation]\n"
        '# metrics = { accuracy = ">= 0.8" }  # below it the model is not released\n'
        '# fairness = { equalized_odds_difference = "<= 0.15" }\n'
    )
