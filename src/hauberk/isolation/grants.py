"""What a step may touch; whatever is not listed is absent or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hauberk.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """One path of the host that appears elsewhere for the step.

    Only the level ``full`` has a file system view of its own. Below it, source and
    target must be the same path: whoever starts the step stages copies instead.

    Attributes:
        source: Absolute; a file or a folder that exists.
        target: Absolute; where the step sees it.
        writable: Whether the step may change it, which changes the source.
    """

    source: Path
    target: Path
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """Everything a step may touch. Paths are absolute and must exist.

    A read grant beneath a write grant is read-only at ``full`` only; Landlock's rules
    add up and cannot take away. Give a step no hard link to a file that matters inside a
    folder it may write: a link is the file.

    Attributes:
        read: Files and folders that may be read and executed.
        write: Files and folders that may be read, changed and removed.
        binds: Paths that appear elsewhere.
        env: Variables added to the few that every step gets; never secrets.
        network: Hosts that may be reached, ``host`` (ports 80 and 443) or ``host:port``,
            through a proxy at ``full`` only; empty means no network at all.
        credentials: A grant of ``network`` to the ``Authorization`` header that the proxy adds
            to requests there. The step does not get it.
    """

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    binds: tuple[Bind, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    network: tuple[str, ...] = ()
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    def with_read(self, *paths: Path) -> Grants:
        """The same grants and these paths to read."""
        return Grants(
            read=(*self.read, *paths),
            write=self.write,
            binds=self.binds,
            env=self.env,
            network=self.network,
            credentials=self.credentials,
        )


def check_grants(grants: Grants) -> None:
    """Refuse what could silently mean something else than the caller thinks.

    Raises:
        UsageError: A path is relative, missing, or the whole file system; a variable's
            name or value cannot be passed on.
    """
    for path in (*grants.read, *grants.write, *(bind.source for bind in grants.binds)):
        _check_path(path)
    for bind in grants.binds:
        if not bind.target.is_absolute() or ".." in bind.target.parts:
            raise UsageError(
                "a bind has a target that is not absolute",
                subject=str(bind.target),
                expected="an absolute path without '..'",
            )
    for name, value in grants.env.items():
        if not name or "=" in name or "\0" in name + value:
            raise UsageError("a variable cannot be passed on", subject=repr(name))


def _check_path(path: Path) -> None:
    if not path.is_absolute() or ".." in path.parts or path == Path("/"):
        raise UsageError(
            "a granted path must be exact",
            subject=str(path),
            expected="an absolute path without '..', below the root folder",
        )
    if not path.exists():
        raise UsageError(
            "a granted path does not exist",
            subject=str(path),
            hint="make the folder before the step starts, or drop the grant",
        )
