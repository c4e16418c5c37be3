"""Data sets of a project: add, list, compare, check out and verify their versions.

The bytes, the log and the pointers lie in the project's store; the keys, the root of trust
and the memory of what was seen lie in the user's configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hauberk import __version__
from hauberk.core.artifact import Dataset
from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.lifecycle.settings import name_of
from hauberk.lifecycle.signing import keys_folder, make_keys, pin_own_root
from hauberk.trust.checkpoint import signed_by
from hauberk.trust.examine import examine
from hauberk.trust.keys import Role
from hauberk.trust.root import Root, resolve
from hauberk.trust.signer import HEAD_SIGNER, Signer
from hauberk.trust.store import Store
from hauberk.trust.versions import lineage
from hauberk.trust.versions.changes import Changes, changes_between
from hauberk.trust.versions.commit import (
    Hand,
    commit,
    files_of,
    hand_of,
    keep_files,
    repair,
)
from hauberk.trust.versions.examination import Defect, check_copy, check_stored
from hauberk.trust.versions.intake import Taken, predecessors, take
from hauberk.trust.versions.lineage import Seen, Verified
from hauberk.trust.versions.recipes import Keeper, read, writers
from hauberk.trust.versions.versions import File, Version, check_name, check_tag, root_of

MAX_RECORD_BYTES = 64 << 20
"""Delta records that are kept with a version; more are counted only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a project and its user's configuration are.

    Attributes:
        clock: Seconds since the epoch.
        root_file: A root of trust that the user names; else the pinned one.
        tell: Gets each line that a person should see meanwhile.
    """

    project: Path
    configuration: Path
    clock: Callable[[], float]
    root_file: Path | None = None
    tell: Callable[[str], None] = lambda _: None

    @property
    def name(self) -> str:
        """The project's name: from its lifecycle file, else from its folder."""
        return name_of(self.project)

    @property
    def seen(self) -> Seen:
        """What the user has seen of the project's data sets."""
        return Seen(self.configuration / "seen" / self.name)

    def root(self) -> Root:
        """What the user trusts for this project.

        Raises:
            UnavailableError: Nothing is pinned.
        """
        return resolve(self.name, self.configuration, file=self.root_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a person says of a version."""

    message: str = ""
    origin: str = ""
    licence: str = ""
    label: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of an addition.

    Attributes:
        is_new: False where the newest version has these very files already.
        changes: Path to what changed in a table against the version before.
        stored: Bytes that the store grew by, list of files and indexes included.
    """

    version: Version
    is_new: bool
    taken: Taken
    changes: dict[str, Changes] = field(default_factory=dict)
    stored: int = 0


def prepare(place: Place) -> None:
    """Make keys and pin them where the user has none yet; says so."""
    if place.root_file is None:
        for line in (
            *make_keys(place.configuration),
            *pin_own_root(place.name, place.configuration),
        ):
            if "kept" not in line:
                place.tell(line)


def add(
    place: Place,
    path: Path,
    name: str,
    about: About,
    *,
    indexed: bool = True,
    rewrite: bool = False,
    by_rows: bool = False,
) -> Added:
    """Keep what lies at ``path`` as the next version of a data set, signed and logged.

    Args:
        rewrite: Store every part anew, which mends broken ones.
        by_rows: Let changed Parquet files be kept as what changed in their rows; see `take`.

    Raises:
        TrustError: The versions before do not verify, or files change meanwhile.
        ArtifactError: Something below ``path`` has no place in a version.
        UnavailableError: The store cannot be written, or there are no keys.
    """
    check_name(name)
    tags = tuple(dict.fromkeys(map(check_tag, about.tags)))
    store = Store.open(place.project)
    root = place.root()
    with store.lock(), _signing(place, store, root) as hand:
        before = _before(place, name, store, root, hand)
        old = () if before is None else _old_files(before.version, store, rewrite=rewrite)
        followed = () if rewrite else old
        taken, keeper = take(path, store.blobs, old=followed, indexed=indexed, by_rows=by_rows)
        if before is not None and not rewrite and _is_same(before.version, taken, about):
            keeper.flush()
            return Added(version=before.version, is_new=False, taken=taken)
        keeper.flush()
        changes = {} if before is None else _changes(before.version, old, taken, store, about)
        files = keep_files(taken.files, keeper, None if before is None else before.version.files)
        version = Version(
            project=root.project,
            name=name,
            number=1 if before is None else before.version.number + 1,
            parent=None if before is None else before.version.digest,
            root=root_of(taken.files),
            files=files,
            n_files=len(taken.files),
            size=sum(file.size for file in taken.files),
            created=int(place.clock()),
            tool_version=__version__,
            message=about.message,
            origin=about.origin,
            licence=about.licence,
            label=about.label or (before.version.label if before else None),
            tags=tags,
            changes=_kept_changes(changes, keeper),
        )
        keeper.flush()
        commit(version, store, hand)
        place.seen.remember(_verified(place, name, store, root))
    return Added(version=version, is_new=True, taken=taken, changes=changes, stored=keeper.stored)


@contextmanager
def _signing(place: Place, store: Store, root: Root) -> Iterator[Hand]:
    with Signer.start(keys_folder(place.configuration), [Role.LIFECYCLE]) as signer:
        key = signer.public[Role.LIFECYCLE].key_id
        if key not in root.keys(Role.LIFECYCLE).by_id():
            raise TrustError(
                "your key is not among those that this project trusts",
                subject=place.name,
                rule="versions are signed by the lifecycle keys of the root of trust",
                expected=", ".join(one[:16] for one in root.keys(Role.LIFECYCLE).by_id()),
                found=key[:16],
                hint="ask the owners of the root to add your key",
            )
        if root.keys(Role.LIFECYCLE).threshold > 1:
            raise UnavailableError(
                "one person alone cannot sign versions of this project",
                subject=place.name,
                rule="the root's threshold of lifecycle keys signs",
                expected=f"{root.keys(Role.LIFECYCLE).threshold} keys",
                found="one",
                hint="pin a root with threshold 1 for data; joint signing is not built yet",
            )
        yield hand_of(signer, store)


def _before(place: Place, name: str, store: Store, root: Root, hand: Hand) -> Verified | None:
    """The verified lineage so far; a commit that was cut short is finished first."""
    check_log(store, root)
    repaired = repair(name, store, root, hand)
    if repaired is None and store.pointers.get(lineage.pointer_name(name)) is None:
        return None
    return _verified(place, name, store, root)


def _verified(place: Place, name: str, store: Store, root: Root) -> Verified:
    found = lineage.verify(
        name, log=store.log, pointers=store.pointers, blobs=store.blobs, root=root
    )
    place.seen.check(found)
    return found


def check_log(store: Store, root: Root) -> None:
    """Rule 1 of `lineage`: the log against its signed heads.

    Raises:
        TrustError: It was changed, cut or reordered.
    """
    keys = root.keys(Role.LIFECYCLE)
    if not (store.root / "log").is_dir() or not any((store.root / "log").iterdir()):
        return
    check = signed_by(HEAD_SIGNER, keys.by_id().values(), threshold=keys.threshold)
    result = examine(store.root / "log", check=check)
    if not result.is_clean:
        raise TrustError(
            "the project's log does not hold",
            subject="log",
            rule="records are appended and never changed, and heads are signed",
            expected="the log as it was signed",
            found=result.defects[0].message,
            hint="hauberk log verify shows all defects; restore the log from a backup",
        )


def _old_files(version: Version, store: Store, *, rewrite: bool) -> tuple[File, ...]:
    try:
        return files_of(version, store.blobs)
    except (TrustError, UnavailableError):
        if rewrite:
            return ()
        raise


def _is_same(before: Version, taken: Taken, about: About) -> bool:
    same_words = not about.tags and not about.message
    return before.root == root_of(taken.files) and same_words


def _changes(
    before: Version, old: tuple[File, ...], taken: Taken, store: Store, about: About
) -> dict[str, Changes]:
    """What changed in each table that both versions have."""
    known = predecessors([file.path for file in taken.files], old)
    label = about.label or before.label
    return {
        file.path: table_changes(known[file.path], file, store, label)
        for file in taken.files
        if file.path in known
        and file.kind == known[file.path].kind == "table"
        and file.recipe.root != known[file.path].recipe.root
    }


def table_changes(old: File, new: File, store: Store, label: str | None) -> Changes:
    """Compare a table of two versions as it lies in the store.

    Raises:
        TrustError: Stored bytes are others.
    """
    with store.scratch("diff-") as folder:
        return changes_between(
            _table(old, folder / "old", store), _table(new, folder / "new", store), label=label
        )


def _table(file: File, folder: Path, store: Store) -> Dataset:
    from hauberk.formats.tables import open_table

    folder.mkdir()
    path = folder / f"table{Path(file.path).suffix}"
    with path.open("wb") as target:
        target.writelines(read(file.recipe, store.blobs, subject=file.path))
    return open_table(path)


def _kept_changes(changes: dict[str, Changes], keeper: Keeper) -> dict[str, object]:
    """Counts for the document, and the delta records as a recipe beside each."""
    import io

    kept: dict[str, object] = {}
    for path, one in changes.items():
        lines = b"".join(record + b"\n" for record in one.records())
        records = None
        if lines and one.is_complete and len(lines) <= MAX_RECORD_BYTES:
            records = keeper.keep(io.BytesIO(lines)).rows()
        kept[path] = {**one.summary(), "records": records}
    return kept


# Reading -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A data set whose lineage was verified, at one of its versions."""

    store: Store
    found: Verified
    version: Version
    files: tuple[File, ...]


def split_name(text: str) -> tuple[str, str | None]:
    """``NAME[@VERSION]`` as name and version or tag."""
    name, mark, wanted = text.partition("@")
    if mark and not wanted:
        raise UsageError("no version after @", subject=text, expected="NAME@2 or NAME@gold")
    return check_name(name), wanted or None


def open_version(place: Place, text: str) -> Opened:
    """Verify the lineage of a data set and read the list of files of one version.

    Raises:
        TrustError: A promise is broken; the error names it.
        UsageError: There is no such data set or version.
        UnavailableError: There is no store, no root, or bytes are missing.
    """
    name, wanted = split_name(text)
    store = Store.open(place.project, create=False, read_only=True)
    root = place.root()
    check_log(store, root)
    found = _verified(place, name, store, root)
    place.seen.remember(found)
    version = lineage.at(found, wanted)
    files = files_of(version, store.blobs)
    if root_of(files) != version.root:
        raise TrustError(
            f"the files of {version.title} are not those that were signed",
            subject=version.title,
            rule="the list of files has the root that the signed document names",
            expected=version.root,
            found=root_of(files),
        )
    return Opened(store=store, found=found, version=version, files=files)


def writers_of(version: Version, store: Store) -> tuple[str, ...]:
    """Versions of pyarrow that checking a version out needs; usually none."""
    try:
        files = files_of(version, store.blobs)
    except (TrustError, UnavailableError):
        return ()  # checking it out says what is wrong
    found = frozenset().union(*(writers(file.recipe, store.blobs) for file in files))
    return tuple(sorted(found))


def mend(place: Place, name: str) -> Verified | None:
    """Finish a commit that was cut short.

    Raises:
        TrustError: What the log names does not verify.
    """
    store = Store.open(place.project, create=False)
    root = place.root()
    with store.lock(), _signing(place, store, root) as hand:
        check_log(store, root)
        return repair(check_name(name), store, root, hand)


def names(place: Place) -> tuple[str, ...]:
    """Names of the project's data sets."""
    store = Store.open(place.project, create=False, read_only=True)
    check_log(store, place.root())
    return lineage.names(store.log)


def examined(opened: Opened, scratch: Path, copy: Path | None) -> tuple[Defect, ...]:
    """Every defect of the stored files and, where one is named, of a checked-out copy."""
    defects = list(check_stored(opened.files, opened.store.blobs, scratch))
    if copy is not None:
        defects += check_copy(opened.files, copy, opened.store.blobs)
    return tuple(defects)
