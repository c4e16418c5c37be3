"""Model files of every format to damage, and what must not come of judging the damaged ones.

An error that no reader names, more processor time than `MAX_SECONDS`, or "no code found" of a
file from which an unpickler that imports nothing asks for a dangerous name.
"""

from __future__ import annotations

import io
import pickle
import random
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from hauberk.engine.load_gate import ModelState, scan_model
from hauberk.methods import model_writing
from hauberk.methods import rare_model_writing as write

MAX_SECONDS = 5.0
"""Of one file; the readers' own bounds are far below it."""

MAX_BYTES = 1 << 18
_DANGEROUS = {"os", "posix", "subprocess", "marshal", "importlib", "timeit", "ctypes"}
_LOADING_ERRORS = (
    *(ArithmeticError, AttributeError, EOFError, ImportError, LookupError),
    *(MemoryError, pickle.UnpicklingError, TypeError, ValueError),
)
"""What damaged pickles make the unpickler raise."""


class StoppedError(Exception):
    """The recording unpickler was asked for a name."""


class Recording(pickle.Unpickler):
    """Tells the first name that is asked for, and goes no further."""

    def find_class(self, module: str, name: str) -> Any:
        """Stop."""
        raise StoppedError(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """Stop."""
        del pid
        raise StoppedError("", "")


@cache
def corpus() -> tuple[bytes, ...]:
    """Files of all formats, hostile and ordinary ones."""
    from hauberk.attacks.model.plant_payload import VARIANTS
    from hauberk.attacks.model.poison_script import exported, script

    made = [variant.make("/nowhere/canary") for variant in VARIANTS.values()]
    words = {f"word{number}": number for number in range(3000)}
    made += [pickle.dumps(words, protocol) for protocol in (2, 4)]
    made += [
        model_writing.gguf_text("x"),
        model_writing.gguf({"general.name": "m", "tokenizer.chat_template": "{{ messages }}"}),
        model_writing.saved_model(["MatMul"]),
        model_writing.tflite(["Run"]),
        model_writing.onnx_model(),
        model_writing.safetensors(
            {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)
        ),
        model_writing.hdf5([model_writing.hdf5_attribute("model_config", b"{}")]),
        model_writing.keras_archive({"class_name": "Sequential", "config": {"layers": []}}),
        script(),
        exported(),
    ]
    made += _rare()
    return tuple(data for data in (*made, *_ordinary()) if len(data) < MAX_BYTES)


def _rare() -> list[bytes]:
    """Formats that few people meet."""
    field = model_writing.field
    place = field(2, field(5, field(1, "@model_path/weights/weight.bin")))
    operation = field(1, "const") + field(5, field(1, "val") + place)
    shell = write.matrix(16, write.element(1, b"@(x)system('id')"))
    kind = {"tag": "datatype", "params": [], "name": ["Core", "Float32"]}
    return [
        write.core_ml(500, field(1, field(1, "d") + field(500, b""))),
        write.core_ml_program(operation),
        write.paddle("feed", "conv2d", "py_func", place="/nowhere"),
        write.header() + write.pairs("m", write.promise(write.call("system", write.words("id")))),
        write.header(version=2) + write.items(write.numbers(1.0, 2.0), write.call("lm")),
        b"A\n2\n262912\n131840\n14\n2\n1\n2.5\n",
        write.mat(write.matrix(1, shell, write.matrix(6, write.element(9, bytes(8))))),
        write.bson(model={"tag": "array", "type": kind}),
        b'FROM llama3\nTEMPLATE """{{ if eq .Prompt "a b" }}c d{{ end }}"""\nSYSTEM hello\n',
        b'{"zarr_format": 2, "shape": [1], "dtype": "|O", "filters": [{"id": "pickle"}]}',
    ]


def _ordinary() -> list[bytes]:
    from hauberk.range.ordinary import write_ordinary

    made = []
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(12):
            place = Path(folder, str(number))
            place.mkdir()
            made.append(write_ordinary(place, rng).read_bytes())
    return made


def asks_for(data: bytes) -> str:
    """The first name that unpickling would import, where the file is a bare pickle."""
    try:
        with suppress(*_LOADING_ERRORS):
            Recording(io.BytesIO(data)).load()
    except StoppedError as told:
        return ".".join(map(str, told.args))
    return ""


def complaint(path: Path) -> tuple[str, str]:
    """The state of one file, and what is wrong with the way it came about; empty for nothing."""
    started = time.process_time()
    verdict = scan_model(path, apart=False)
    seconds = time.process_time() - started
    first_word = verdict.reason.split(":", 1)[0]
    if verdict.state is ModelState.NOT_ASSESSED and first_word.endswith(("Error", "Exception")):
        return verdict.state.value, f"an error without a name: {verdict.reason[:200]}"
    if seconds > MAX_SECONDS:
        return verdict.state.value, f"{seconds:.1f} seconds"
    is_free = verdict.state is ModelState.NO_CODE
    wanted = asks_for(path.read_bytes()) if is_free else ""
    if wanted.partition(".")[0] in _DANGEROUS:
        return verdict.state.value, f"no code found, and loading asks for {wanted}"
    return verdict.state.value, ""
