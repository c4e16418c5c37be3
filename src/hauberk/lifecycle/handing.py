"""Credentials that a step's requests bear and the step never holds.

The lifecycle file names a host, a scheme and the end of a variable's name; the secret itself
stands in a variable ``HAUBERK_CREDENTIAL_...`` of whoever starts the run. No other variable can
be named, so that a changed lifecycle file cannot send away what happens to be in the
environment. The names are attested with the limits, the secrets are written nowhere.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.lifecycle.plan import Step
    from hauberk.lifecycle.settings import Settings

PREFIX = "HAUBERK_CREDENTIAL_"
_SPELLED = re.compile(r"(bearer|basic) ([A-Z][A-Z0-9_]{0,63})")


def credentials_of(
    step: Step, settings: Settings, environment: Mapping[str, str]
) -> dict[str, str]:
    """Host to the ``Authorization`` of requests to it.

    Raises:
        UsageError: A host is not granted, a credential is spelled wrongly or not set.
    """
    limits = step.table.limits
    found: dict[str, str] = {}
    for host, text in limits.credentials.items():
        place = settings.source.place((*step.keys, "limits", "credentials", host))
        if host not in limits.network:
            raise UsageError(
                "a credential is for a host that the step may not reach",
                subject=place,
                expected=", ".join(limits.network) or "a host of network",
                found=host,
            )
        spelled = _SPELLED.fullmatch(text)
        if spelled is None:
            raise UsageError(
                "a credential is spelled in another way",
                subject=place,
                expected='"bearer NAME" or "basic NAME", where NAME is in capitals',
                found=repr(text[:60]),
            )
        found[host] = _header(spelled[1], PREFIX + spelled[2], environment, place)
    return found


def _header(scheme: str, variable: str, environment: Mapping[str, str], place: str) -> str:
    secret = environment.get(variable, "")
    if not secret or not secret.isascii() or not secret.isprintable():
        raise UsageError(
            "a credential is not there",
            subject=place,
            expected=f"a token, or user:password, in the variable {variable}",
            found="nothing" if not secret else "characters that no header may bear",
            hint=f"export {variable}=... in the shell that starts the run",
        )
    if scheme == "bearer":
        return f"Bearer {secret}"
    return "Basic " + base64.b64encode(secret.encode()).decode()
