"""MLflow loads registered models verified: an artifact repository for ``models:/`` by entry point.

Where this package is installed beside MLflow, every ``mlflow.*.load_model("models:/name@alias")``
and every download of a registered model goes through `VerifiedModels`:

1. The whole model is fetched into a private folder, never used where it lies.
2. Its ``model.sig`` (OpenSSF Model Signing) must be by a key in ``HAUBERK_MODEL_KEYS``, and every
   file must be as it was signed, with none added. Otherwise nothing is handed on.
3. Every file of it passes the load gate, signed or not: what is dangerous, malformed or unread
   is refused, and so are names that nobody has reviewed, until an entry in the policy file that
   ``HAUBERK_MODEL_POLICY`` names (its ``waivers``) lists them. ``HAUBERK_MODEL_GATE=warn`` only
   warns.
4. A model that was sealed by `legacy` says so; ``HAUBERK_MODEL_LEGACY=refuse`` refuses it.

Without ``HAUBERK_MODEL_KEYS`` models that pass the gate load with a warning that they were not
verified. The keys
are files in PEM, joined by colons, outside of what whoever writes to the registry can reach.

Limits:
    A signature covers files, not the name or alias under which MLflow serves them: an alias that
    was moved to another signed version passes. Nothing here knows which version is the newest.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

from hauberk.errors import HauberkError, TrustError
from hauberk.integrations.environment import KEYS, policy_entries, trusted_keys
from hauberk.trust.keys import KeyId, PublicKey

LEGACY: Final = "HAUBERK_MODEL_LEGACY"
GATE: Final = "HAUBERK_MODEL_GATE"
LEGACY_FILE: Final = "hauberk.legacy.json"
SIGNATURE: Final = "model.sig"

_WRITTEN_BY_READERS: Final = "registered_model_meta"
"""MLflow itself leaves this beside a model that it reads in place; it is no part of the model."""


def verify(folder: Path, keys: Mapping[KeyId, PublicKey], name: str) -> None:
    """Hold a fetched model against its signature.

    Raises:
        TrustError: It is unsigned, signed by somebody else, changed, or refused as legacy.
    """
    from hauberk.trust.oms.verification import verify_model

    (folder / _WRITTEN_BY_READERS).unlink(missing_ok=True)
    if not (folder / SIGNATURE).is_file():
        raise TrustError(
            "the model is not signed",
            subject=name,
            rule=f"models are loaded with a signature by a key in {KEYS}",
            expected=SIGNATURE,
            found="no such file among the model's artifacts",
            hint="sign it (hauberk sign) and publish it again, or seal what is there: "
            "python -m hauberk.integrations.mlflow_legacy",
        )
    verify_model(folder, folder / SIGNATURE, keys)
    if (folder / LEGACY_FILE).is_file():
        if os.environ.get(LEGACY) == "refuse":
            raise TrustError(
                "the model is unattested legacy",
                subject=name,
                rule=f"{LEGACY}=refuse",
                expected="a model whose origin is attested",
                found="one that was sealed as it lay there",
                hint="make the model again with hauberk run and publish that",
            )
        warnings.warn(f"{name} is unattested legacy: sealed as it lay there", stacklevel=3)


def admitted(folder: Path, name: str) -> None:
    """Hold a fetched model against the load gate.

    Raises:
        ArtifactError: It is dangerous or malformed.
        TrustError: It holds names that nobody has reviewed.
        UnavailableError: It could not be read to its end.
    """
    from hauberk.engine.load_gate import admit_to_store

    try:
        admit_to_store(folder, allow=policy_entries())
    except HauberkError as error:
        if os.environ.get(GATE) != "warn":
            raise
        warnings.warn(f"{name}: {error.message}: {error.found}", stacklevel=3)


class VerifiedModels(ModelsArtifactRepository):  # type: ignore[misc]  # MLflow has no types here
    """The repository of ``models:/`` addresses; see the module."""

    def download_artifacts(
        self, artifact_path: str, dst_path: str | None = None, lineage_header_info: Any = None
    ) -> str:
        """Fetch and verify the whole model, then hand on what was asked for.

        Raises:
            TrustError: It is not what was signed.
        """
        del lineage_header_info  # only a header of the repository that reads a model in place
        keys = trusted_keys()
        folder = Path(tempfile.mkdtemp(prefix="hauberk-model-", dir=dst_path))
        self.repo.download_artifacts("", str(folder))
        if keys:
            verify(folder, keys, str(self.artifact_uri))
        else:
            warnings.warn(
                f"{self.artifact_uri} is loaded unverified: {KEYS} names no key", stacklevel=2
            )
        admitted(folder, str(self.artifact_uri))
        return str(folder / artifact_path) if artifact_path else str(folder)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        """A single file, out of a model that was verified whole."""
        Path(local_path).write_bytes(Path(self.download_artifacts(remote_file_path)).read_bytes())
