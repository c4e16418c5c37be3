"""DVC: what it tracks, held against the bytes that lie in the work tree.

``dvc.lock`` and ``*.dvc`` files name outputs by MD5, which anybody can make fit
(`attacks.registry.resum_file`). They are read here only to learn *which* outputs there are
and to notice those that changed since DVC recorded them; what is believed afterwards is the
signed version that Hauberk makes of each.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.formats import plain_yaml
from hauberk.trust.digest import open_regular
from hauberk.trust.manifest import check_path
from hauberk.trust.walking import places

MAX_OUTPUTS: Final = 100_000
_IGNORED = (".git", ".dvc", ".hauberk", ".venv", "node_modules")
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?\Z")
_FOLDER = ".dir"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output that DVC tracks.

    Attributes:
        path: Relative to the project.
        md5: What DVC recorded; that of a folder ends with ``.dir``.
        told_by: The file that names it.
        is_legacy: Whether DVC 2 recorded it, which hashed text with Unix line ends.
    """

    path: str
    md5: str
    told_by: str
    is_legacy: bool

    @property
    def name(self) -> str:
        """The name of its data set."""
        return re.sub(r"[^a-z0-9._-]+", "-", self.path.lower()).strip("-._")[:80] or "data"


def outputs(project: Path) -> tuple[Output, ...]:
    """Every output that the project's ``dvc.lock`` and ``*.dvc`` files name, sorted by path.

    Raises:
        ArtifactError: A file is malformed, or names a path outside.
        UsageError: DVC tracks nothing here, or two outputs would have one name.
    """
    found: dict[str, Output] = {}
    for file in sorted(_files(project)):
        for output in _outputs_of(file, project):
            found[output.path] = output
    if not found:
        raise UsageError(
            "DVC tracks nothing here",
            subject=str(project),
            expected="a dvc.lock, or *.dvc files",
            found="none with outputs",
            hint="run dvc add or dvc repro first",
        )
    names = [output.name for output in found.values()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError("two outputs would have one name", subject=twice[0], expected="one")
    return tuple(found[path] for path in sorted(found))


def _files(project: Path) -> Iterator[Path]:
    for path in (*project.rglob("dvc.lock"), *project.rglob("*.dvc")):
        inside = path.relative_to(project).parts
        if path.is_file() and not path.is_symlink() and not set(_IGNORED).intersection(inside[:-1]):
            yield path


def _outputs_of(file: Path, project: Path) -> Iterator[Output]:
    told_by = file.relative_to(project).as_posix()
    with open_regular(file) as descriptor, open(descriptor, "rb", closefd=False) as stream:
        data = stream.read(plain_yaml.MAX_BYTES + 1)
    document = plain_yaml.parse(data, name=told_by)
    if document is not None and not isinstance(document, dict):
        raise _malformed(told_by, "a mapping")
    lists = [document] if file.name != "dvc.lock" else _stages(document, told_by)
    for holder in lists:
        listed = holder.get("outs") if isinstance(holder, dict) else None
        for entry in listed or []:
            output = _output(entry, file.parent.relative_to(project).as_posix(), told_by)
            if output is not None:
                yield output


def _stages(document: Any, told_by: str) -> list[Any]:
    stages = document.get("stages") if isinstance(document, dict) else None
    if stages is None:
        return []
    if not isinstance(stages, dict) or len(stages) > MAX_OUTPUTS:
        raise _malformed(told_by, "stages by name")
    return list(stages.values())


def _output(entry: Any, folder: str, told_by: str) -> Output | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise _malformed(told_by, "outputs with a path")
    md5 = entry.get("md5")
    if md5 is None:
        return None  # not in the cache, or tracked in the cloud: there is nothing recorded
    if not isinstance(md5, str) or not _MD5.match(md5):
        raise _malformed(told_by, "an MD5 of 32 hexadecimal digits")
    path = entry["path"] if folder == "." else f"{folder}/{entry['path']}"
    return Output(
        path=check_path(path), md5=md5, told_by=told_by, is_legacy=entry.get("hash") != "md5"
    )


def check_recorded(output: Output, project: Path) -> None:
    """Refuse an output that is not what DVC recorded.

    That it is proves little, because MD5 can be made to fit; that it is not proves a change.

    Raises:
        TrustError: The bytes have another MD5.
        UsageError: It is not checked out.
    """
    place = project / output.path
    found = _folder_md5(place) if output.md5.endswith(_FOLDER) else _file_md5(place, output)
    if found != output.md5:
        raise TrustError(
            f"{output.path} is not what DVC recorded",
            subject=output.path,
            rule="an output has the digest that its lock names",
            expected=f"md5 {output.md5}, by {output.told_by}",
            found=f"md5 {found}",
            hint="dvc checkout --force restores it, dvc commit records what lies there",
        )


def _file_md5(place: Path, output: Output) -> str:
    if not place.is_file():
        raise UsageError(
            f"{output.path} is not there",
            subject=output.path,
            expected="a file" if not place.is_dir() else "a file, not a folder",
            hint="dvc checkout writes it",
        )
    plain = _md5(place)
    if plain != output.md5 and output.is_legacy:
        return hashlib.md5(
            place.read_bytes().replace(b"\r\n", b"\n"), usedforsecurity=False
        ).hexdigest()
    return plain


def _md5(place: Path) -> str:
    with open_regular(place) as descriptor, open(descriptor, "rb", 0, closefd=False) as file:
        return hashlib.file_digest(file, _weak).hexdigest()


def _weak() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _folder_md5(place: Path) -> str:
    """DVC's digest of a folder: the MD5 of its listing as JSON, sorted by path."""
    listing = [{"md5": _md5(path), "relpath": name} for name, path in places(place)]
    listing.sort(key=lambda item: tuple(item["relpath"].split("/")))
    text = json.dumps(listing, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + _FOLDER


def _malformed(name: str, expected: str) -> ArtifactError:
    return ArtifactError(
        "the file of DVC is malformed",
        subject=name,
        rule="outputs have a path and a digest",
        expected=expected,
        found="something else",
        hint="let DVC write it again: dvc commit",
    )
