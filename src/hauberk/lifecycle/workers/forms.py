"""What a model file is, by its first bytes and the names in its archive; imports no library."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

HEAD = 4096
SCRIPT, PROGRAM, STATE = "TorchScript", "torch.export", "torch pickle"
XGBOOST, LIGHTGBM = "xgboost", "lightgbm"

_XGBOOST_JSON = re.compile(rb'^\s*\{\s*"(learner|version)"\s*:')
_XGBOOST_UBJ = re.compile(rb"^\{L\x00{7}[\x07\x04](learner|version|Config)")
_LIGHTGBM = (b"tree\nversion=", b"tree\r\nversion=")
_PROGRAM = ("/archive_format", "serialized_exported_program.json")


def booster_form(path: Path) -> str:
    """`XGBOOST`, `LIGHTGBM` or nothing."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(_LIGHTGBM):
        return LIGHTGBM
    if head[:4] == b"binf" or _XGBOOST_JSON.match(head) or _XGBOOST_UBJ.match(head):
        return XGBOOST
    return ""


def torch_form(path: Path) -> str:
    """`SCRIPT`, `PROGRAM`, `STATE` or nothing."""
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith(_PROGRAM) for name in names):
        return PROGRAM
    if any(name.endswith("/constants.pkl") for name in names):
        return SCRIPT
    return STATE if any(name.endswith("/data.pkl") for name in names) else ""
