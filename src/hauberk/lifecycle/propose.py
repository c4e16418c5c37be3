"""Propose a lifecycle file for a project as it is; nothing of the project is run or changed.

What scripts read and write is taken from their text, so that tables nobody makes are the
sources, and scripts stand in the order in which they hand tables on. Every guess stands in
the file with a comment that says so; what could not be guessed stands there as a comment to
fill in.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from hauberk.lifecycle.script_files import Script, read_script
from hauberk.lifecycle.staging import project_files

MAX_SHOWN = 8
"""Files of a kind that are listed; a folder of a thousand tables is named once."""
MAX_HEAD = 1 << 16
"""Bytes of a table's first line."""

TABLES = frozenset({".csv", ".tsv", ".parquet", ".feather", ".arrow", ".jsonl", ".npz"})
MODELS = frozenset({".joblib", ".pkl", ".pickle", ".onnx", ".pt", ".pth", ".safetensors", ".h5"})
_OTHER_MODELS = frozenset({".skops", ".ubj", ".cbm", ".keras", ".ckpt", ".bin", ".bst"})
_OTHER_DATA = frozenset({".npy", ".xlsx", ".xls", ".json", ".txt", ".data", ".dat", ".gz", ".zip"})
_PACKED = frozenset({".gz", ".bz2", ".xz"})
_REQUIREMENTS = ("requirements.txt", "pyproject.toml", "environment.yml", "setup.py")
_LABELS = ("label", "target", "class", "y", "outcome", "approved", "approve", "default", "income")
_SENSITIVE = ("race", "sex", "gender", "ethnicity", "religion", "black", "hispan", "male", "age")
_PREPARED = ("train", "test", "valid", "holdout", "clean", "processed", "prepared")
_PARTS = {
    "train": re.compile(r"(?i)(^|[^a-z])train"),
    "validation": re.compile(r"(?i)(^|[^a-z])(val|valid|validation|dev)([^a-z]|$)"),
    "test": re.compile(r"(?i)(^|[^a-z])(test|holdout|hold_out)"),
}
_NO_STEPS = re.compile(r"(^|/)(tests?|docs?|conftest\.py|setup\.py|noxfile\.py)(/|$)|(^|/)test_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was found in a project, paths relative to it.

    Attributes:
        tables: Tables that lie there.
        raw: Tables that no script makes: the sources.
        steps: Scripts that make tables, each behind those whose tables it reads.
        splitter: The script that makes a training part and a test part, if one does.
        training: The script that fits and keeps a model.
        parts: Names of the parts (``train``, ``validation``, ``test``) to the paths at which
            the training looks for them.
        columns: Names in the first source's first line.
        label: The column that the training predicts, where its text says so.
    """

    name: str
    tables: tuple[str, ...]
    models: tuple[str, ...]
    scripts: tuple[Script, ...]
    requirements: tuple[str, ...]
    python: str | None
    columns: tuple[str, ...]
    raw: tuple[str, ...] = ()
    steps: tuple[Script, ...] = ()
    splitter: Script | None = None
    training: Script | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None


def look(root: Path) -> Inventory:
    """What lies in the project at ``root``."""
    files = sorted(path.relative_to(root).as_posix() for path in project_files(root))
    tables = tuple(path for path in files if is_table(path))
    scripts = tuple(read_script(root, path) for path in files if path.endswith(".py"))
    own = [script for script in scripts if not _NO_STEPS.search(script.path)]
    training = _trains(own)
    splitter = next((script for script in own if script is not training and _splits(script)), None)
    steps = _in_order([s for s in own if s not in (training, splitter) and _makes_table(s)])
    used = [script for script in (*steps, splitter, training) if script is not None]
    raw = _sources(used, tables, files)
    columns = columns_of(root / raw[0]) if raw else ()
    return Inventory(
        name=re.sub(r"[^A-Za-z0-9_-]+", "-", root.resolve().name).strip("-") or "project",
        tables=tables,
        models=tuple(path for path in files if _ending(path) in MODELS),
        scripts=scripts,
        requirements=tuple(path for path in _REQUIREMENTS if path in files),
        python=next((name for name in (".venv", "venv") if _has_python(root, name)), None),
        columns=columns,
        raw=raw,
        steps=tuple(steps),
        splitter=splitter,
        training=training,
        parts=_parts(splitter.writes if splitter else _tables_read(training)),
        label=_label(columns, used),
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


def told(found: Inventory) -> list[str]:
    """What was found, in a few lines for the terminal."""
    counts = (len(found.tables), len(found.scripts), len(found.models))
    lines = ["{} tables, {} scripts, {} models".format(*counts)]
    if found.raw:
        lines.append(f"sources:  {_listed(found.raw)}")
    lines += [
        f"step:     {script.path} ({_listed(script.reads) or '?'} -> {_listed(_made(script))})"
        for script in found.steps[:MAX_SHOWN]
    ]
    if found.splitter:
        lines.append(f"split:    {found.splitter.path}")
    if found.training:
        made = _listed(_models(found.training)) or "a model that a tracker keeps"
        lines.append(f"training: {found.training.path} (-> {made})")
    lines.append(f"label:    {found.label or 'not known; say it in the file'}")
    return lines


def _listed(names: Sequence[str]) -> str:
    more = f", {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004 - a line's room
    return ", ".join(names[:3]) + more


# Looking -------------------------------------------------------------------------------


def is_table(path: str) -> bool:
    """Whether a name is that of a table, packed or not."""
    return _ending(path) in TABLES


def _ending(path: str) -> str:
    name = Path(path)
    return Path(name.stem).suffix.lower() if name.suffix.lower() in _PACKED else name.suffix.lower()


def _is_data(path: str) -> bool:
    return is_table(path) or Path(path).suffix.lower() in _OTHER_DATA


def _has_python(root: Path, name: str) -> bool:
    return (root / name / "bin" / "python").exists()


def _trains(scripts: Sequence[Script]) -> Script | None:
    """The script that trains; one that says so in its name comes before others."""
    found = [script for script in scripts if script.trains]
    named = [script for script in found if "train" in Path(script.path).stem.lower()]
    return next(iter(named or found), None)


def _made(script: Script) -> tuple[str, ...]:
    return tuple(path for path in script.writes if _is_data(path))


def _makes_table(script: Script) -> bool:
    return not script.trains and any(is_table(path) for path in script.writes)


def _splits(script: Script) -> bool:
    roles = _parts(script.writes)
    return not script.trains and "train" in roles and "test" in roles


def _parts(paths: Sequence[str]) -> dict[str, str]:
    """Which of the tables is which part, by their names."""
    found: dict[str, str] = {}
    for role, words in _PARTS.items():
        named = [path for path in paths if _is_data(path) and words.search(Path(path).stem)]
        left = [path for path in named if path not in found.values()]
        if left:
            found[role] = left[0]
    return found


def _tables_read(script: Script | None) -> tuple[str, ...]:
    """Tables that a script reads; where no call shows it, those that it names."""
    if script is None:
        return ()
    read = tuple(path for path in script.reads if _is_data(path))
    return read or tuple(path for path in script.others if is_table(path))


def _in_order(scripts: Sequence[Script]) -> list[Script]:
    """Scripts behind those whose files they read; where they go in a circle, as they lie."""
    left, done = list(scripts), list[Script]()
    while left:
        made = {path for script in left for path in script.writes}
        ready = [s for s in left if not (set(s.reads) & made - set(s.writes))] or left[:1]
        done += ready
        left = [script for script in left if script not in ready]
    return done


def _sources(
    used: Sequence[Script], tables: Sequence[str], files: Sequence[str]
) -> tuple[str, ...]:
    """Data that scripts read and none writes; else tables that no name says were made."""
    made = {path for script in used for path in script.writes}
    parts = {path for script in used if script.trains for path in _parts(script.reads).values()}
    there = set(files)
    read = [
        path
        for script in used
        for path in _tables_read(script)
        if path not in made and path not in parts and path in there
    ]
    return tuple(dict.fromkeys(read)) or _raw([path for path in tables if path not in made])


def _raw(tables: Sequence[str]) -> tuple[str, ...]:
    """Tables that no name says were made by a step."""
    return tuple(
        path for path in tables if not any(word in Path(path).stem.lower() for word in _PREPARED)
    )


def _label(columns: Sequence[str], scripts: Sequence[Script]) -> str | None:
    said = [s.target for s in sorted(scripts, key=lambda s: not s.trains) if s.target]
    if said:
        return said[0]
    lowered = {name.lower(): name for name in columns}
    return next((lowered[name] for name in _LABELS if name in lowered), None)


def columns_of(path: Path) -> tuple[str, ...]:
    """Names in the first line of a delimited text; nothing for other files."""
    if _ending(path.name) not in (".csv", ".tsv"):
        return ()
    try:
        with _unpacked(path) as file:
            line = file.readline(MAX_HEAD).decode("utf-8", "replace").strip()
    except (OSError, EOFError, lzma.LZMAError):  # named all the same; the run says why
        return ()
    separator = "\t" if "\t" in line else ";" if ";" in line and "," not in line else ","
    names = tuple(part.strip().strip('"') for part in line.split(separator))
    return () if any(_is_number(name) for name in names) else names


def _unpacked(path: Path) -> IO[bytes]:
    ending = path.suffix.lower()
    if ending == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if ending == ".bz2":
        return bz2.open(path)
    return lzma.open(path) if ending == ".xz" else path.open("rb")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
    if found.raw:
        return "\n".join(acquisition_lines(found.raw[:MAX_SHOWN], found.columns, found.label))
    made = {path for script in found.scripts for path in script.writes}
    missing = [
        path
        for script in (*found.steps, found.splitter, found.training)
        if script is not None
        for path in _tables_read(script)
        if path not in made and path not in found.parts.values()
    ]
    if not missing:
        label = json.dumps(found.label or "label")
        return (
            "# ? no raw data were found\n[acquisition.data]\n"
            f'uri = "data/raw.csv"\nlabel = {label}\n'
        )
    return "\n".join(
        (
            "# ? a script reads this, and it is not here: say where it comes from",
            '# (a file, or uri = "https://..." with sha256 = "..." and path = where scripts look)',
            *acquisition_lines(list(dict.fromkeys(missing))[:MAX_SHOWN], (), found.label),
        )
    )


def acquisition_lines(
    raw: Sequence[str], columns: Sequence[str] = (), label: str | None = None
) -> list[str]:
    """The tables of sources; the first bears the guesses about label and groups."""
    lines = []
    names: set[str] = set()
    for path in raw:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(path).name.partition(".")[0]).strip("-")
        name = plain or "data"
        name = name if name not in names else f"{name}-{len(names)}"
        names.add(name)
        lines.append(f"[acquisition.{name}]\nuri = {json.dumps(path)}")
        if path == raw[0]:
            lines.append(_roles(columns, label))
    return [*lines, ""]


def _roles(columns: Sequence[str], label: str | None) -> str:
    lowered = {name.lower(): name for name in columns}
    guess = label or next((lowered[name] for name in _LABELS if name in lowered), None)
    sensitive = [lowered[name] for name in _SENSITIVE if name in lowered]
    how = "guessed from the scripts" if label else "guessed from the name"
    if guess and columns and guess not in columns:
        first = "# the label is made on the way; see [preparation]"
    elif guess:
        first = f"label = {json.dumps(guess)}  # {how}"
    else:
        names = f"one of: {', '.join(columns[:12])}" if columns else "the column to predict"
        first = f'# ? label = "..."  # {names}'
    second = (
        f"sensitive = {json.dumps(sensitive)}  # guessed from the names"
        if sensitive
        else '# sensitive = ["..."]  # columns that name a protected group'
    )
    return f"{first}\n{second}"


def _preprocessing(found: Inventory) -> str:
    if not found.steps:
        return '# [preprocessing.clean]\n# run = "python clean.py"\n# inputs = []\n# outputs = []\n'
    shown = found.steps[:MAX_SHOWN]
    names = _names([Path(script.path) for script in shown])
    return "\n".join(_step(script, name) for script, name in zip(shown, names, strict=True))


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


def _step(script: Script, name: str) -> str:
    inputs = [path for path in script.reads if _is_data(path)]
    return (
        f"[preprocessing.{name}]  # guessed from what the script reads and writes\n"
        f"run = {json.dumps('python ' + script.path)}\n"
        f"inputs = {json.dumps(inputs)}{'' if inputs else '  # ? none was seen'}\n"
        f"outputs = {json.dumps(list(script.writes))}\n"
    )


def _preparation(found: Inventory) -> str:
    lines = ["[preparation]"]
    if found.label and found.columns and found.label not in found.columns:
        lines.append(f"label = {json.dumps(found.label)}  # guessed from the scripts")
    if found.splitter:
        inputs = [path for path in found.splitter.reads if _is_data(path)]
        lines.append(f"run = {json.dumps('python ' + found.splitter.path)}  # it makes the parts")
        lines.append(f"inputs = {json.dumps(inputs)}")
        lines += [f"{part} = {json.dumps(found.parts.get(part, ''))}" for part in _PARTS]
        return "\n".join([*lines, ""])
    label = json.dumps(found.label or "...")
    lines.append(f"split = {{ test = 0.2, validation = 0.2 }}  # classes: add stratify = {label}")
    if found.parts:
        lines += [f"{part} = {json.dumps(path)}" for part, path in found.parts.items()]
    return "\n".join([*lines, ""])


def _models(script: Script) -> list[str]:
    """Models that a script keeps; where no call shows it, those that it names."""
    for paths in (script.writes, script.others):
        named = [path for path in paths if Path(path).suffix.lower() in MODELS | _OTHER_MODELS]
        if named:
            return named
    return []


def _training(found: Inventory) -> str:
    script = found.training
    if script is None:
        return (
            "# ? no training script was found\n[training]\n"
            'run = "python train.py"\noutputs = ["model.joblib"]\n'
        )
    outputs = _models(script)
    reports = [path for path in script.writes if path.endswith(".json")]
    reports = reports or [path for path in script.others if path.endswith(".json")]
    unnamed = script.logs_model and not outputs
    model = "model.skops" if unnamed else "model.joblib"
    first = outputs or [model]
    lines = [
        "[training]  # the first output is the model",
        f"run = {json.dumps('python ' + script.path)}",
        f"outputs = {json.dumps([*first, *reports])}",
    ]
    if unnamed:
        lines.append("# it lies under another name each time; older MLflow writes model.pkl")
        lines.append(f'collect = {{ "{model}" = "mlruns/**/{model}" }}')
    whole = [path for path in _tables_read(script) if path not in found.parts.values()]
    if whole and "train" not in found.parts:
        lines.append("# the script reads the whole table; this puts the training part there")
        lines.append(f'at = {{ {json.dumps(whole[0])} = "train" }}')
    if "test" in found.parts and found.parts["test"] in _tables_read(script):
        lines.append("# ? the script reads the test part, which stays sealed: use validation")
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
