"""Which paths a Python interpreter needs, found without running it.

The interpreter may belong to a project that nobody trusts yet, so nothing of it is
executed here: links, ``pyvenv.cfg`` and ``.pth`` files are read as data. Lines of ``.pth``
files that are code (``import ...``) are not followed, so editable installs that work by
an import hook need a grant of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hauberk.errors import UnavailableError, UsageError

_MAX_LINKS = 40  # the kernel's own bound on symbolic links
_MAX_CONFIGURATION_BYTES = 1 << 16

_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/locale.alias",
    "/etc/locale.conf",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/mime.types",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/crypto-policies",
)
"""What programs of a Linux distribution need; none of it holds secrets or can be written."""


def system_grants() -> tuple[Path, ...]:
    """Paths of the distribution that every step may read, those that exist."""
    return tuple(path for path in map(Path, _SYSTEM) if path.exists())


def interpreter_grants(python: Path) -> tuple[Path, ...]:
    """Read-only paths that an interpreter and its installed packages need.

    Covers virtual environments, chains of symbolic links, bases in other people's home
    folders (pyenv, uv, conda) and the folders that ``.pth`` files name. What every step
    may read anyway (``/usr`` and the like) is left out.

    Args:
        python: Absolute path of the interpreter as the step will call it.

    Raises:
        UsageError: The path is relative, or a script that would choose an interpreter
            when run (a pyenv shim).
        UnavailableError: There is no such interpreter.
    """
    if not python.is_absolute():
        raise UsageError("an interpreter needs an absolute path", subject=str(python))
    hops = tuple(_links(python))
    _check_program(hops[-1])
    prefixes = [prefix for hop in hops for prefix in _prefixes(hop)]
    found = [*prefixes]
    for prefix in prefixes:
        for packages in sorted(prefix.glob("lib*/python3*/site-packages")):
            found += _named_by_pth(packages)
    return _outermost(found)


def _links(path: Path) -> Iterator[Path]:
    """The path and every target of a link on the way to the file."""
    for _ in range(_MAX_LINKS):
        yield path
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    if path.parent.resolve() != path.parent:
        yield path.parent.resolve() / path.name


def _check_program(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise UnavailableError(
            "there is no interpreter that can be read",
            subject=str(path),
            found=type(error).__name__,
            hint="give the path of a Python that this user may run",
        ) from error
    if start == b"#!":
        raise UsageError(
            "the interpreter is a script that chooses one when it runs",
            subject=str(path),
            hint="give the interpreter itself, as sys.executable says it",
        )


def _prefixes(program: Path) -> Iterator[Path]:
    """The installation that a program stands in, and the base that its settings name."""
    prefix = Path(*_plain_parts(program.parent.parent))
    yield prefix
    home = _home_of(prefix / "pyvenv.cfg")
    if home is not None:
        yield home.parent
        yield home.resolve().parent


def _plain_parts(path: Path) -> list[str]:
    """Parts with ``..`` taken away as text; ``bin/../lib`` names one folder only."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return parts


def _home_of(configuration: Path) -> Path | None:
    try:
        with configuration.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_MAX_CONFIGURATION_BYTES).splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip().lower() == "home" and Path(value.strip()).is_absolute():
            return Path(value.strip())
    return None


def _named_by_pth(packages: Path) -> Iterator[Path]:
    for file in sorted(packages.glob("*.pth")):
        with file.open(encoding="utf-8", errors="replace") as opened:
            lines = opened.read(_MAX_CONFIGURATION_BYTES).splitlines()
        for line in lines:
            named = packages / line.strip()
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                yield from (path for path in (named, named.resolve()) if path.is_dir())


def _outermost(paths: list[Path]) -> tuple[Path, ...]:
    """Existing folders, without those beneath another and without the system's."""
    kept: list[Path] = []
    system = [Path(name) for name in _SYSTEM]
    for path in sorted(set(paths)):
        covered = any(path.is_relative_to(other) for other in (*kept, *system))
        if not covered and path != Path("/") and path.is_dir():
            kept.append(path)
    return tuple(kept)
