"""``hauberk init --from-dvc`` and ``hauberk data verify --from-dvc``; not a verb of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import TrustError

if TYPE_CHECKING:
    from hauberk.lifecycle.datasets import Place


def seal(place: Place) -> int:
    """Check every output against DVC's record and keep it as a signed version."""
    from hauberk.integrations.dvc import check_recorded, outputs
    from hauberk.lifecycle.datasets import About, add, prepare

    found = outputs(place.project)
    for output in found:
        check_recorded(output, place.project)
    prepare(place)
    for output in found:
        about = About(origin=f"dvc:{output.path} md5 {output.md5}")
        done = add(place, place.project / output.path, output.name, about)
        state = "signed" if done.is_new else "already signed"
        print(f"{state}: {done.version.title}  {output.path}  {done.version.root}")
    print("next: after dvc checkout or dvc pull, hauberk data verify --from-dvc")
    return 0


def verify(place: Place) -> int:
    """Hold every output that lies in the work tree against its newest signed version."""
    from hauberk.integrations.dvc import outputs
    from hauberk.lifecycle.datasets import examined, open_version

    found = outputs(place.project)
    for output in found:
        opened = open_version(place, output.name)
        with tempfile.TemporaryDirectory() as scratch:
            defects = examined(opened, Path(scratch), place.project / output.path)
        if defects:
            raise TrustError(
                f"{output.path} is not {opened.version.title}: {defects[0]}",
                subject=output.path,
                rule="what DVC checks out is what was signed, whatever its MD5",
                expected=opened.version.root,
                found="; ".join(map(str, defects[:20])),
                hint="fetch the genuine data again; hauberk data checkout has them too",
            )
        print(f"{output.path} is {opened.version.title}, every byte")
    print(f"{len(found)} outputs of DVC are as they were signed")
    return 0
