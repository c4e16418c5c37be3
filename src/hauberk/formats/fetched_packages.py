"""Lists of packages beside a model: where an installer would fetch them from."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, evasive

REQUIREMENTS = re.compile(r"(^|/)(requirements[\w.-]*\.txt|environment\.ya?ml|conda\.ya?ml)$")
"""Names of the lists that installers and servers of models read."""

_SOURCES = re.compile(
    r"^\s*(?:-\s*)?[\"']?(?:[\w.\[\]-]+\s*@\s*)?(?P<what>(?:git|hg|svn|bzr)\+\S+|(?:https?|ftp|file)://\S+"
    r"|(?:--(?:extra-)?index-url|--find-links|--trusted-host|-i|-f)[ =]\s*\S+)",
    re.MULTILINE,
)
_KNOWN_INDEXES = re.compile(r"https://(pypi\.org/|download\.pytorch\.org/|pypi\.nvidia\.com)")


_KNOWN_HOSTS = re.compile(
    r"//(?:[\w.-]+@)?([\w-]+\.)*(github\.com|githubusercontent\.com|gitlab\.com|bitbucket\.org|codeberg\.org"
    r"|huggingface\.co|hf\.co|pytorch\.org|nvidia\.com|pypi\.org|pythonhosted\.org|anaconda\.org"
    r"|anaconda\.com|googleapis\.com|aliyun\.com|tsinghua\.edu\.cn|microsoft\.com|amazonaws\.com"
    r"|intel\.com|amd\.com|jfrog\.io|github\.io)[:/]",
    re.IGNORECASE,
)
"""Where people keep code and packages that anybody can look at."""


def judge_requirements(text: str) -> Iterator[Remark]:
    """Packages of a list that come from elsewhere than an index that is known."""
    for found in _SOURCES.finditer(text):
        what = found["what"]
        if _KNOWN_INDEXES.search(what):
            continue
        is_open = "http://" in what or "--trusted-host" in what or "git://" in what
        told = f"installs from {printable(what)[:120]!r}"
        if is_open:
            yield evasive(f"{told}, which anyone on the way can change")
        elif "://" in what and not _KNOWN_HOSTS.search(what):
            yield Remark(Grade.CODE, what, f"{told}, code that no index of packages lists", 0)
        else:
            yield Remark(Grade.UNKNOWN, what, told, 0)
