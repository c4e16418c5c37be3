"""One door to all readers of model formats but pickles: a part in, remarks out.

Each format's module is imported when its kind is met, so that scanning one format never pays
for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from hauberk.errors import ArtifactError
from hauberk.formats.parts import Kind, Part
from hauberk.formats.remarks import Said, evasive

_HOMES: dict[Kind, tuple[str, str]] = {
    Kind.GGUF: ("gguf_files", "judge_gguf"),
    Kind.HDF5: ("hdf5_files", "judge_hdf5"),
    Kind.TFLITE: ("tflite_files", "judge_tflite"),
    Kind.GRAPH: ("savedmodel_files", "judge_graph"),
    Kind.MODEL_TEXT: ("model_texts", "judge_model_text"),
    Kind.CODE: ("model_texts", "judge_code"),
    Kind.BOOSTER: ("booster_files", "judge_booster"),
    Kind.SAFETENSORS: ("safetensors", "judge_safetensors"),
    Kind.ONNX: ("onnx_files", "judge_onnx"),
    Kind.NPY: ("numpy_files", "judge_npy"),
    Kind.R_DATA: ("r_files", "judge_r"),
    Kind.PADDLE: ("paddle_files", "judge_program"),
    Kind.MATLAB: ("matlab_files", "judge_matlab"),
    Kind.BSON: ("bson_files", "judge_bson"),
    Kind.CORE_ML: ("core_ml", "judge_core_ml"),
}


def is_judged(kind: Kind) -> bool:
    """Whether a reader here knows the kind."""
    return kind in _HOMES


def judge_part(part: Part) -> Iterator[Said]:
    """What is wrong with a part, what could not be followed, and what lies inside of it."""
    module, name = _HOMES[part.kind]
    judge: Callable[..., Iterator[Said]] = getattr(import_module(f"hauberk.formats.{module}"), name)
    # Texts look alike: what they were taken for goes with them.
    detail = (part.detail,) if part.kind in {Kind.MODEL_TEXT, Kind.CODE} else ()
    try:
        yield from judge(part.span, *detail)
    except ArtifactError as error:
        yield evasive(error.message)
    except (IndexError, KeyError, ValueError, OverflowError, RecursionError) as error:
        # No honest writer makes a file on which a bounded reader stumbles.
        yield evasive(f"the {part.kind} is malformed: its reader stops with {type(error).__name__}")
