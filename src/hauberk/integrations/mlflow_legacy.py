"""Seal the versions that a registry of MLflow holds already, as unattested legacy.

    python -m hauberk.integrations.mlflow_legacy --tracking-uri URI --key KEY.pem [--name MODEL]

Each version is fetched, a note that says what it is is added, and all of it is signed and put
back beside it. From then on it cannot be swapped unseen. Where it came from, nobody can say; the
note says that too. Versions with a signature are left alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hauberk.errors import HauberkError
from hauberk.integrations.mlflow_models import LEGACY_FILE, SIGNATURE
from hauberk.trust.keys import KeyPair

TAG = "hauberk.origin"
TAG_VALUE = "unattested legacy"


def seal_versions(client: Any, key: KeyPair, name: str | None = None) -> Iterator[str]:
    """Seal every version of ``name``, or of all models; a line for each."""
    wanted = f"name = '{name}'" if name else None
    for version in client.search_model_versions(wanted):
        yield f"{version.name} version {version.version}: {_seal(client, version, key)}"


def _seal(client: Any, version: Any, key: KeyPair) -> str:
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

    from hauberk.trust.oms.verification import sign_model

    address = f"models:/{version.name}/{version.version}"
    repository = ModelsArtifactRepository(address).repo
    with tempfile.TemporaryDirectory(prefix="hauberk-legacy-") as scratch:
        folder = Path(scratch)
        repository.download_artifacts("", scratch)
        (folder / "registered_model_meta").unlink(missing_ok=True)
        if (folder / SIGNATURE).exists():
            return "signed already"
        note = {
            "schema": 1,
            "origin": TAG_VALUE,
            "model": version.name,
            "version": str(version.version),
            "sealed": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        (folder / LEGACY_FILE).write_text(json.dumps(note, indent=1) + "\n")
        (folder / SIGNATURE).write_bytes(sign_model(folder, folder / SIGNATURE, [key]))
        for item in (LEGACY_FILE, SIGNATURE):
            repository.log_artifact(str(folder / item))
    client.set_model_version_tag(version.name, version.version, TAG, TAG_VALUE)
    return "sealed as unattested legacy"


def main(argv: Sequence[str] | None = None) -> int:
    """Seal, and say so."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tracking-uri", required=True, metavar="URI")
    parser.add_argument("--key", required=True, type=Path, metavar="PEM", help="private key")
    parser.add_argument("--name", metavar="MODEL", help="one model instead of all")
    args = parser.parse_args(argv)
    import mlflow

    from hauberk.trust.oms.signers import read_private_file

    mlflow.set_tracking_uri(args.tracking_uri)
    try:
        for line in seal_versions(mlflow.MlflowClient(), read_private_file(args.key), args.name):
            print(line)  # noqa: T201 - a command
    except HauberkError as error:
        print(f"hauberk: {error}", file=sys.stderr)  # noqa: T201 - a command
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
