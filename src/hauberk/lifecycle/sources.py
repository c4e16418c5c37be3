"""Ways to land bytes: a file of the project, of an installed package or of the system, https.

All of them stream into the store while hashing, so the copy that later steps read is the
one that was hashed; nothing is read twice from the outside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hauberk.errors import UnavailableError, UsageError
from hauberk.isolation import Grants, Limits, interpreter_grants, run
from hauberk.lifecycle.downloads import Landed, download
from hauberk.lifecycle.plan import inside

if TYPE_CHECKING:
    from hauberk.core.artifact import Digest
    from hauberk.lifecycle.workshop import Workshop

CHUNK_BYTES = 1 << 20
SYSTEM_DATA = Path("/usr/share")
"""Where the system's packages put data that everybody may read; ``system:`` leads nowhere else."""


def land(
    uri: str, shop: Workshop, keys: tuple[str, ...], *, expected: Digest | None = None
) -> Landed:
    """Land the bytes of ``uri`` in the store.

    Args:
        expected: Digest that a source over the network must have; without one it is refused.

    Raises:
        UsageError: The address is of no kind that can be landed.
        TrustError: The network could change the bytes unseen.
        UnavailableError: The source cannot be read now.
    """
    scheme = uri.partition(":")[0] if ":" in uri else ""
    if scheme == "package":
        path = _package_file(uri, shop, keys)
    elif scheme == "system":
        path = _system_file(uri, shop, keys)
    elif scheme == "https":
        return download(uri, shop.store.blobs, expected, shop.settings.source.place(keys))
    elif "://" in uri:
        raise _unsupported(uri, shop, keys)
    else:
        path = shop.settings.root / inside(uri, shop.settings, (*keys, "uri"))
    return _landed_file(path, uri, shop, keys)


def _landed_file(path: Path, uri: str, shop: Workshop, keys: tuple[str, ...]) -> Landed:
    root = shop.settings.root.resolve()
    if not uri.startswith(("package:", "system:")) and not path.resolve().is_relative_to(root):
        raise UsageError(
            "a source leaves the project through a link",
            subject=shop.settings.source.place((*keys, "uri")),
            expected="a file inside the project",
            found=f"{uri} -> {path.resolve()}",
        )
    if not path.is_file():
        raise UsageError(
            "a source is missing",
            subject=shop.settings.source.place((*keys, "uri")),
            expected="a regular file that can be read",
            found=f"no file {uri}",
        )
    try:
        with path.open("rb") as stream:
            return _landed_stream(_chunks(stream), shop, uri)
    except PermissionError as error:
        raise UnavailableError(
            "a source cannot be read", subject=uri, found=error.strerror or str(error)
        ) from error


def _landed_stream(chunks: Iterator[bytes], shop: Workshop, origin: str) -> Landed:
    digest = shop.store.blobs.put(chunks)
    return Landed(digest=digest, size=shop.store.blobs.size(digest), origin=origin)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _package_file(uri: str, shop: Workshop, keys: tuple[str, ...]) -> Path:
    """The file ``package:NAME/path`` of a package in the project's own environment."""
    name, _, inner = uri.removeprefix("package:").partition("/")
    path = inside(inner, shop.settings, (*keys, "uri")) if inner else ""
    places = _places(name, shop) if name.isidentifier() else []
    for place in places:
        file = Path(place) / path
        if path and file.is_file():
            return file
    raise UsageError(
        "a source that a package carries is not there",
        subject=shop.settings.source.place((*keys, "uri")),
        expected="package:NAME/path of a file inside an installed package",
        found=f"{uri}: {'no such file' if places else f'no package {name!r}'}",
        hint=f"install {name} into the project's environment" if name and not places else None,
    )


def _system_file(uri: str, shop: Workshop, keys: tuple[str, ...]) -> Path:
    """The file ``system:NAME`` that a package of the system put below its shared data."""
    name = inside(uri.removeprefix("system:"), shop.settings, (*keys, "uri"))
    path = SYSTEM_DATA / name
    if path.is_file() and path.resolve().is_relative_to(SYSTEM_DATA):
        return path
    raise UsageError(
        "a source that a package of the system carries is not there",
        subject=shop.settings.source.place((*keys, "uri")),
        expected=f"a file below {SYSTEM_DATA}",
        found=f"no file {path}",
        hint="install the package that brings it with the system's package manager",
    )


def _places(name: str, shop: Workshop) -> list[str]:
    """Folders of a package in the project's environment, asked without importing it."""
    code = (
        "import importlib.util as u, json, sys; s = u.find_spec(sys.argv[1]);"
        "print(json.dumps(list(s.submodule_search_locations or ()) if s else []))"
    )
    done = run(
        (str(shop.python), "-I", "-c", code, name),
        cwd=shop.work,
        grants=Grants(read=(shop.work, *interpreter_grants(shop.python))),
        limits=Limits(wall_s=60.0, cpu_s=30.0),
        level=shop.context.isolation,
    )
    return [str(place) for place in json.loads(done.stdout or b"[]")]


def _unsupported(uri: str, shop: Workshop, keys: tuple[str, ...]) -> UsageError:
    scheme = uri.partition("://")[0]
    hint = (
        "use https: over http anybody on the way can change the bytes" if scheme == "http" else None
    )
    return UsageError(
        "this kind of source cannot be landed",
        subject=shop.settings.source.place((*keys, "uri")),
        expected="a path, package:NAME/path, system:path below /usr/share, or https://",
        found=scheme + "://",
        hint=hint,
    )
