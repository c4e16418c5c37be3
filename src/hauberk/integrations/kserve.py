"""The init step that fetches a model for a server, and lets nothing unverified reach it.

    python -m hauberk.integrations.kserve SOURCE TARGET

This is the contract of a storage container of KServe: two arguments, and a target that is an
empty folder shared with the server. It needs the base of this package, without an extra.

SOURCE is one of

* ``hauberk://MODEL@CHANNEL``: from the registry that ``HAUBERK_REGISTRY`` names, verified from
  the root of trust that ``HAUBERK_ROOT`` names (a file), with its whole chain;
* ``oci-layout:///FOLDER`` or ``oci-layout:///FOLDER#TAG``: from an image layout;
* ``file:///FOLDER``: a folder with ``model.sig``.

The latter two are held against the public keys in ``HAUBERK_MODEL_KEYS`` (PEM files, joined by
colons). Every model passes the load gate too. The target gets all files or none; the exit code
is 0 only then.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from hauberk.engine.load_gate import admit_to_store
from hauberk.errors import HauberkError, UsageError
from hauberk.integrations.environment import KEYS, policy_entries, trusted_keys
from hauberk.trust.keys import KeyId, PublicKey, config_folder

REGISTRY: Final = "HAUBERK_REGISTRY"
ROOT: Final = "HAUBERK_ROOT"


def fetch(source: str, target: Path, environment: Mapping[str, str]) -> str:
    """Fetch and verify; what was verified, in one line.

    Raises:
        UsageError: The source or the environment is not understood.
        TrustError: Something is not what it was signed to be.
        ArtifactError: The model is dangerous or malformed.
        UnavailableError: Something is missing.
    """
    ways: dict[str, Callable[[str, Path, Mapping[str, str]], str]] = {
        "hauberk": _from_registry,
        "oci-layout": _from_image,
        "file": _from_folder,
    }
    scheme = source.partition("://")[0]
    if scheme not in ways:
        raise UsageError(
            "this is no source of a model",
            subject=ascii(source)[:200],
            expected=", ".join(f"{one}://..." for one in ways),
            found=ascii(scheme)[:40],
        )
    return ways[scheme](source, target, environment)


def _from_registry(source: str, target: Path, environment: Mapping[str, str]) -> str:
    from hauberk.trust import root as roots
    from hauberk.trust.oci.verification import drafted
    from hauberk.trust.registry import evidence, names
    from hauberk.trust.registry.access import open_access
    from hauberk.trust.registry.shelf import open_location
    from hauberk.trust.registry.transfer import fetch_folder, served_files

    reference = names.parse_reference(source.removeprefix("hauberk://"))
    root_file = Path(_needed(environment, ROOT, "a root of trust: hauberk root show writes one"))
    place = open_location(_needed(environment, REGISTRY, "where the registry is"), environment)
    config = config_folder(environment, Path.home())
    opened = open_access(place, config, clock=time.time, root_file=root_file, model=reference.model)
    view = opened.view()
    found = view.resolve(reference)
    manifest = found.manifest
    chain = evidence.check_evidence(manifest, place, roots.load(root_file))
    evidence.check_in_force(view, chain, names.version_path(manifest.model, manifest.version))
    files = served_files(manifest)
    with drafted(target) as draft:
        inner = draft / "model"
        fetch_folder(place.blobs, files, inner, admit=lambda one: _admit(one, environment))
        for path in sorted(inner.iterdir()):
            path.rename(draft / path.name)
        inner.rmdir()
    return f"{reference}: version {manifest.version}, {len(files)} files, {found.custody}"


def _from_image(source: str, target: Path, environment: Mapping[str, str]) -> str:
    from hauberk.trust.oci.layout import open_layout
    from hauberk.trust.oci.verification import unpack_image

    layout = open_layout(_folder(source), unquote(urlsplit(source).fragment) or None)
    keys = _keys(environment)
    found = unpack_image(layout, keys, target, lambda one: _admit(one, environment))
    return f"{layout.digest}: {found.n_files} files, signed by {', '.join(found.signers)}"


def _from_folder(source: str, target: Path, environment: Mapping[str, str]) -> str:
    from hauberk.trust.oci.verification import drafted
    from hauberk.trust.oms.verification import signature_path, verify_model

    folder, keys = _folder(source), _keys(environment)
    with drafted(target) as draft:
        copy = draft / "model"
        shutil.copytree(folder, copy, symlinks=True)  # what is verified is what is served
        found = verify_model(copy, signature_path(copy), keys)
        _admit(copy, environment)
        for path in sorted(copy.iterdir()):
            path.rename(draft / path.name)
        copy.rmdir()
    return f"{folder}: {found.n_files} files, signed by {', '.join(found.signers)}"


def _folder(source: str) -> Path:
    parts = urlsplit(source)
    path = Path(unquote(parts.path))
    if parts.netloc or not path.is_absolute() or not path.is_dir():
        raise UsageError(
            "there is no such folder",
            subject=ascii(source)[:200],
            expected="three slashes and the absolute path of a folder",
            found=ascii(parts.netloc + parts.path)[:200],
        )
    return path


def _keys(environment: Mapping[str, str]) -> dict[KeyId, PublicKey]:
    _needed(environment, KEYS, "public keys in PEM, joined by colons")
    return trusted_keys(environment)


def _needed(environment: Mapping[str, str], name: str, what: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise UsageError(f"{name} is not set", subject=name, expected=what, found="nothing")
    return value


def _admit(folder: Path, environment: Mapping[str, str]) -> None:
    admit_to_store(folder, allow=policy_entries(environment))


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch, and say what was verified."""
    parser = argparse.ArgumentParser(
        prog="python -m hauberk.integrations.kserve", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("target", type=Path, metavar="TARGET", help="an empty folder")
    args = parser.parse_args(argv)
    try:
        print(f"verified: {fetch(args.source, args.target, os.environ)}")  # noqa: T201 - a command
    except HauberkError as error:
        print(f"hauberk: {error}", file=sys.stderr)  # noqa: T201 - a command
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
