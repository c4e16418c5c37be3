"""HTTP to addresses that the settings name: no redirections, no long answers, no long waits."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from hauberk.errors import UnavailableError

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 1 << 20

_MAKERS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


def posted(url: str, body: bytes, kind: str, *, token: str = "") -> tuple[int, str]:
    """POST ``body``; the status and the text of the answer.

    Raises:
        UnavailableError: Nobody answers there, or it is no address.
    """
    return _asked("POST", url, body, {"Content-Type": kind}, token)


def got(url: str, *, token: str = "") -> tuple[int, str]:
    """GET; the status and the text of the answer.

    Raises:
        UnavailableError: Nobody answers there, or it is no address.
    """
    return _asked("GET", url, None, {}, token)


def _asked(
    method: str, url: str, body: bytes | None, headers: dict[str, str], token: str
) -> tuple[int, str]:
    parts = urlsplit(url)
    if parts.scheme not in _MAKERS or not parts.hostname:
        raise UnavailableError("only http and https addresses are asked", subject=url[:80])
    if token:
        headers = {**headers, "Authorization": f"Bearer {token}"}
    connection = _MAKERS[parts.scheme](parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(
            "nobody answers there",
            subject=parts.hostname,
            expected="an answer over HTTP",
            found=f"{type(error).__name__}: {error}"[:120],
        ) from error
    finally:
        connection.close()
