"""Scripts of R: packages from branches and without TLS, and profiles that act when R starts.

``.Rprofile`` of a folder runs whenever R starts there. Packages are installed by calls, since a
script of R seldom has a lock file beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.core.artifact import SourceFile
from hauberk.methods.code.dependency_rules import CLEARTEXT
from hauberk.methods.code.images import MOVING
from hauberk.methods.code.project_settings import TASK
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

SOURCED = rule(
    "insecure-downloads/sourced",
    "high",
    "runs what it downloads",
    "Download, compare a digest, then run.",
    "CWE-494",
)

_SUFFIXES = frozenset({".r", ".rmd", ".qmd", ".rprofile"})
_HTTP = r"http://(?!localhost|127\.)"
_INSECURE = expression(
    rf"\b(?:install\.packages|update\.packages|options|setRepositories)\s*\([^\n]{{0,300}}\brepos\s*=[^\n]{{0,80}}[\"']{_HTTP}"
)
_FETCHED = expression(
    r"\b(?:source|sys\.source)\s*\(\s*(?:url\(\s*)?[\"']https?://(?!localhost|127\.)"
)
_FROM_BRANCH = expression(
    r"\b(?:(?:remotes|devtools|pak|githubinstall)::)?(?:install_(?:github|gitlab|bitbucket|git|url)|pkg_install|pak)\s*\("
    r"\s*(?:repo\s*=\s*|url\s*=\s*)?[\"'](?P<what>[\w.-]+/[^\"'\s]+|https?://[^\"'\s]+)[\"'](?P<rest>[^\n)]{0,200})"
)
_COMMIT = expression(r"@[0-9a-f]{40}\b|ref\s*=\s*[\"'][0-9a-f]{40}[\"']|#sha256=")
_ACTS = expression(
    r"\b(?:system2?|shell|download\.file|source|eval|url|socketConnection|processx::run|callr::r|curl::\w+|httr2?::\w+)\s*\("
)
_HONEST = expression(r"\bsource\s*\(\s*[\"'](?:renv|packrat)/(?:activate|init)\.R[\"']\s*\)")


def r_hits(file: SourceFile) -> Iterator[Hit]:
    """Hits of one file; none of what is no script of R."""
    is_profile = file.path.name in {".Rprofile", "Rprofile.site"}
    if not is_profile and file.path.suffix.lower() not in _SUFFIXES:
        return
    for number, line in enumerate(file.text.split("\n"), start=1):
        if line.lstrip().startswith("#"):
            continue
        if _INSECURE.search(line):
            yield Hit(CLEARTEXT, number, line.strip()[:60])
        if _FETCHED.search(line):
            yield Hit(SOURCED, number, line.strip()[:60])
        found = _FROM_BRANCH.search(line)
        if found is not None and not _COMMIT.search(found["what"] + found["rest"]):
            yield Hit(MOVING, number, found["what"])
        if is_profile and _ACTS.search(_HONEST.sub("", line)):
            yield Hit(TASK, number, line.strip()[:60])
