"""An alias in MLflow becomes a request to promote, which persons sign in the registry.

    python -m hauberk.integrations.mlflow_promotions --tracking-uri URI --out requests.json
    hauberk registry requests requests.json --format json > answers.json
    python -m hauberk.integrations.mlflow_promotions --tracking-uri URI --answers answers.json

The first command asks MLflow which versions carry the alias ``production`` (``--alias``) or the
tag ``hauberk.request`` of that value, and hashes their files. The second, run by whoever reads
the registry, matches them by digest. The third writes what became of each back, as the tag
``hauberk.promotion``. Whoever can write to MLflow can ask, and nothing more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from hauberk.errors import ArtifactError, HauberkError

REQUEST_TAG: Final = "hauberk.request"
ANSWER_TAG: Final = "hauberk.promotion"


def requests(client: Any, alias: str) -> Iterator[dict[str, Any]]:
    """What is asked for, with the digest of every file."""
    for model in client.search_registered_models():
        asked = {str(version): f"alias {name}" for name, version in model.aliases.items()}
        wanted = {v: how for v, how in asked.items() if how == f"alias {alias}"}
        for version in client.search_model_versions(f"name = '{model.name}'"):
            how = wanted.get(str(version.version))
            if how is None and version.tags.get(REQUEST_TAG) == alias:
                how = f"tag {REQUEST_TAG}"
            if how is not None:
                yield {
                    "model": model.name,
                    "version": str(version.version),
                    "asked_by": how,
                    "files": _digests(model.name, version.version),
                }


def _digests(name: str, version: object) -> dict[str, str]:
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

    from hauberk.trust.manifest import manifest_of

    repository = ModelsArtifactRepository(f"models:/{name}/{version}").repo
    with tempfile.TemporaryDirectory(prefix="hauberk-request-") as scratch:
        repository.download_artifacts("", scratch)
        return {one.path: one.digest for one in manifest_of(Path(scratch)).entries}


def tell(client: Any, document: Any) -> Iterator[str]:
    """Write answers back as tags; a line for each.

    Raises:
        ArtifactError: They are none.
    """
    from hauberk.trust.fields import Fields

    for where, item in Fields.of(document, "answers").items("answers"):
        one = Fields.of(item, where)
        name, version, state = one.text("model"), one.text("version"), one.text("state")
        client.set_model_version_tag(name, version, ANSWER_TAG, state)
        yield f"{name} version {version}: {state}"


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, or tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tracking-uri", required=True, metavar="URI")
    parser.add_argument("--alias", default="production", help="what asks for production")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--out", type=Path, metavar="FILE", help="where to write the requests")
    which.add_argument("--answers", type=Path, metavar="FILE", help="write these back")
    args = parser.parse_args(argv)
    import mlflow

    mlflow.set_tracking_uri(args.tracking_uri)
    client = mlflow.MlflowClient()
    try:
        if args.out is not None:
            found = list(requests(client, args.alias))
            args.out.write_text(json.dumps({"schema": 1, "requests": found}, indent=1) + "\n")
            print(f"{len(found)} requests in {args.out}")  # noqa: T201 - a command
        else:
            for line in tell(client, _read(args.answers)):
                print(line)  # noqa: T201 - a command
    except HauberkError as error:
        print(f"hauberk: {error}", file=sys.stderr)  # noqa: T201 - a command
        return error.exit_code
    return 0


def _read(path: Path) -> Any:
    from hauberk.trust.canonical import parse_json

    try:
        return parse_json(path.read_bytes(), max_bytes=32 << 20)
    except OSError as error:
        raise ArtifactError(
            "the answers cannot be read", subject=str(path), found=error.strerror
        ) from error


if __name__ == "__main__":
    sys.exit(main())
