"""What integrations take from the environment: the keys that are believed, and a policy file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hauberk.errors import UsageError
from hauberk.trust.keys import KeyId, PublicKey

if TYPE_CHECKING:
    from hauberk.core.policy import Waiver

KEYS: Final = "HAUBERK_MODEL_KEYS"
POLICY: Final = "HAUBERK_MODEL_POLICY"


def trusted_keys(environment: Mapping[str, str] | None = None) -> dict[KeyId, PublicKey]:
    """The keys that the environment names; empty where it names none.

    Raises:
        UsageError: A file is not there.
        ArtifactError: A file holds no key.
    """
    from hauberk.trust.oms.signers import read_public_file

    environment = os.environ if environment is None else environment
    found = {}
    for name in filter(None, environment.get(KEYS, "").split(":")):
        if not Path(name).is_file():
            raise UsageError(
                "there is no such key", subject=KEYS, expected="files in PEM", found=name
            )
        key = read_public_file(Path(name))
        found[key.key_id] = key
    return found


def policy_entries(environment: Mapping[str, str] | None = None) -> tuple[Waiver, ...]:
    """The waivers of the policy file that the environment names; none where it names none.

    Raises:
        UsageError: It cannot be read, or says something that cannot be.
    """
    from hauberk.trust.policy import read_project_policy

    environment = os.environ if environment is None else environment
    name = environment.get(POLICY, "")
    if not name:
        return ()
    try:
        value = json.loads(Path(name).read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            "the policy file cannot be read",
            subject=POLICY,
            expected="JSON, as hauberk root show writes a policy",
            found=str(error),
        ) from error
    return read_project_policy(value, name).waivers
