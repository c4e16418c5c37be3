"""A folder of its own for every step: the project's code, the declared inputs, nothing else.

Scripts find files where they always look, relative to the project. What is staged are
copies, so a step that writes to its inputs harms nobody. Data that are not declared are
not there: a step that needs them fails, and the message says what to declare.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import UsageError
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes, digest_file

if TYPE_CHECKING:
    from hauberk.core.artifact import Digest
    from hauberk.trust.store import Store

MAX_CODE_FILES = 20_000
"""More files than this are no project's own code; something should be excluded."""

MAX_CODE_BYTES = 1 << 20
"""Code and configuration are smaller; larger files are data and must be declared."""

_FOLDERS = frozenset(
    """
    .git .hg .hauberk .idea .ipynb_checkpoints .mypy_cache .nox .pytest_cache .ruff_cache .tox
    .venv .vscode __pycache__ build dist env mlruns node_modules venv
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_DATA = frozenset(
    """
    .7z .arrow .bin .bz2 .csv .db .feather .gguf .gz .h5 .hdf5 .joblib .jsonl .ndjson .npy .npz
    .onnx .parquet .pickle .pkl .pt .pth .safetensors .sqlite .tar .tsv .xz .zip
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_OURS = frozenset({"hauberk.toml", "hauberk.lock"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The project's code as the steps see it.

    Attributes:
        files: Path relative to the project to digest, sorted.
        digest: Identity of all of them together.
    """

    files: Mapping[str, Digest]
    digest: Digest


def code_of(root: Path, exclude: tuple[str, ...], declared: frozenset[str]) -> Code:
    """The project's code: regular files that are small and no data, sorted by path.

    Args:
        exclude: Folders and files relative to the project that no step may see.
        declared: Paths that sources and steps make; they are data, whatever their names.

    Raises:
        UsageError: There are too many files to be one project's code.
    """
    files: dict[str, Digest] = {}
    for path in _walk(root, root, frozenset(exclude)):
        name = path.relative_to(root).as_posix()
        if name in declared or name in _OURS or path.suffix.lower() in _DATA:
            continue
        if path.stat().st_size > MAX_CODE_BYTES:
            continue
        files[name] = digest_file(path)
        if len(files) > MAX_CODE_FILES:
            raise UsageError(
                "the project holds too many files",
                subject=str(root),
                expected=f"at most {MAX_CODE_FILES} files of code",
                found="more",
                hint='name folders of data in [project] exclude = ["..."]',
            )
    ordered = dict(sorted(files.items()))
    return Code(files=ordered, digest=digest_bytes(canonical_json(ordered)))


def project_files(root: Path) -> Iterator[Path]:
    """Regular files of a project, sorted; not those of environments, caches and git."""
    return _walk(root, root, frozenset())


def _walk(root: Path, folder: Path, exclude: frozenset[str]) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda item: item.name):
            path = Path(entry.path)
            if path.relative_to(root).as_posix() in exclude or entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _FOLDERS and not (path / "pyvenv.cfg").exists():
                    yield from _walk(root, path, exclude)
            elif entry.is_file(follow_symlinks=False):
                yield path


def stage(folder: Path, root: Path, code: Code, inputs: Mapping[str, Digest], store: Store) -> None:
    """Fill ``folder`` with the code and the inputs, at the paths where scripts look.

    Code is copied from the project and checked against what was hashed; inputs come from
    the store by digest, never from the project's folder.

    Raises:
        TrustError: A file is no longer what was hashed, or a blob is not what its name says.
    """
    for name, digest in code.files.items():
        _copy_code(root / name, folder / name, digest)
    for name, digest in inputs.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        store.materialize(digest, target)
        target.chmod(0o444)


def _copy_code(source: Path, target: Path, digest: Digest) -> None:
    from hauberk.errors import TrustError

    data = source.read_bytes()
    if digest_bytes(data) != digest:
        raise TrustError(
            "a file of the project changed while the run was starting",
            subject=str(source),
            rule="steps see the code that was hashed",
            expected=digest,
            found=digest_bytes(data),
            hint="start the run again",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(0o555 if os.access(source, os.X_OK) else 0o444)
