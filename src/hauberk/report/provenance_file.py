"""A run's signed provenance as a file of its own, for tools that know nothing of Hauberk.

The envelopes are those that the signer wrote while the run was going on; nothing is signed or
changed here. One DSSE envelope to a line is what the field calls a bundle of attestations.

References:
    in-toto Attestation Framework, "Bundle"; SLSA Provenance v1; DSSE v1.
"""

from __future__ import annotations

import json

from hauberk.core.record import RunRecord
from hauberk.errors import ArtifactError

PROVENANCE = "https://slsa.dev/provenance/v1"


def signed_provenance(record: RunRecord) -> str:
    """The envelopes of the run's provenance, one to a line, in the order of the run.

    Raises:
        ArtifactError: The run signed nothing, so there is nothing to hand on.
    """
    lines = [
        _line(item.envelope)
        for step in record.steps
        for item in step.attestations
        if item.predicate_type == PROVENANCE and item.envelope
    ]
    if not lines:
        raise ArtifactError(
            "the run has no signed provenance",
            subject=record.run_id,
            rule="provenance is handed on as it was signed",
            expected="a run at an isolation level that may sign",
            found=f"level {record.isolation}, no signed step",
        )
    return "".join(lines)


def _line(envelope: bytes) -> str:
    try:
        return json.dumps(json.loads(envelope), separators=(",", ":")) + "\n"
    except (ValueError, RecursionError) as error:
        raise ArtifactError("an envelope of the record is no JSON", found=str(error)) from error
