"""Ways found by somebody who wrote files before reading the rules, each beside an honest twin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hauberk.engine.load_gate import ModelState, scan_model
from hauberk.methods import model_writing as write
from hauberk.methods.pickle_writing import call, name, text, whole

REFUSED = {ModelState.DANGEROUS, ModelState.MALFORMED}


def template(source: str) -> bytes:
    return write.gguf({"general.architecture": "llama", "tokenizer.chat_template": source})


def skops(function: tuple[str, str]) -> bytes:
    content = {"module_path": function[0], "function": function[1]}
    schema = {"__class__": "function", "__module__": "builtins", "content": content}
    return write.zipped({"schema.json": json.dumps(schema).encode()})


def pmml(function: str) -> bytes:
    apply = f'<Apply function="{function}"><Constant>1</Constant></Apply>'
    return f'<PMML version="4.4"><TransformationDictionary>{apply}</TransformationDictionary></PMML>'.encode()


def prints(stream: bytes) -> bytes:
    """A SavedModel whose only operator prints to a stream."""
    value = write.field(1, "output_stream") + write.field(2, write.field(2, stream))
    node = write.field(1, "n") + write.field(2, "PrintV2") + write.field(5, value)
    graph = write.field(1, node) + write.field(4, write.field(1, 1882))
    return write.field(1, 1) + write.field(2, write.field(1, write.field(4, "serve")) + write.field(2, graph))  # fmt: skip


def config(**facts: object) -> bytes:
    return json.dumps({"model_type": "llama", **facts}).encode()


LOOPS = "{% for a in range(COUNT) %}{% for m in range(COUNT) %}x{% endfor %}{% endfor %}"
CASES: dict[str, tuple[bytes, bytes, str]] = {
    "template-reversed": (
        template("{{ messages['__ssalc__'[::-1]] }}"),
        template("{{ messages[::-1][0]['content'][:20] }}"),
        "m.gguf",
    ),
    "template-loops": (
        template(LOOPS.replace("COUNT", "99999")),
        template(LOOPS.replace("COUNT", "20")),
        "m.gguf",
    ),
    "gguf-tail-without-tensors": (
        write.gguf(
            {"general.architecture": "llama"}, tensors=(), data=bytes(32) + b"cos\nsystem\n"
        ),
        write.gguf({"general.architecture": "llama"}, tensors=(), data=b""),
        "m.gguf",
    ),
    "speechbrain-tag": (
        b"x: !apply:os.system ['id']\n",
        b"x: !new:speechbrain.nnet.CNN.Conv1d\nseed: !apply:torch.manual_seed [1]\n",
        "hyperparams.yaml",
    ),
    "pmml-java": (pmml("java.lang.Runtime.exec"), pmml("lowercase"), "m.pmml"),
    "kernel-of-a-repository": (
        config(attn_implementation="somebody/kernel"),
        config(attn_implementation="sdpa"),
        "config.json",
    ),
    "skops-function": (skops(("os", "system")), skops(("numpy", "log1p")), "m.skops"),
    "prints-to-a-file": (prints(b"file:///etc/cron.d/x"), prints(b"stderr"), "saved_model.pb"),
    "header-of-a-terabyte": (
        (1 << 40).to_bytes(8, "little") + b"{}",
        write.safetensors({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"1"),
        "m.safetensors",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_dangerous_file_is_refused_and_its_honest_twin_is_not(tmp_path: Path, case: str) -> None:
    bad, good, label = CASES[case]
    verdicts = []
    for folder, data in (("bad", bad), ("good", good)):
        path = tmp_path / folder / label
        path.parent.mkdir()
        path.write_bytes(data)
        verdicts.append(scan_model(path))
    assert verdicts[0].state in REFUSED, verdicts[0].reason
    assert verdicts[1].state is ModelState.NO_CODE, verdicts[1].reason


@pytest.mark.parametrize(
    "path",
    [
        "pytest.main",
        "transformers.dynamic_module_utils.get_class_from_dynamic_module",
        "networkx.readwrite.gpickle.read_gpickle",
        "cupy.RawModule",
        "pyarrow.serialization.read_serialized",
    ],
)
def test_a_call_that_fetches_or_compiles_code_is_dangerous(tmp_path: Path, path: str) -> None:
    place = tmp_path / "m.pkl"
    place.write_bytes(whole(call(name(path), text("x"))))
    assert scan_model(place).state is ModelState.DANGEROUS


def test_a_pickled_catboost_model_passes_and_one_with_a_call_in_its_state_does_not(
    tmp_path: Path,
) -> None:
    made = name("catboost.core.CatBoostClassifier") + b")\x81}" + text("depth")
    path = tmp_path / "m.pkl"
    path.write_bytes(whole(made + b"K\x03sb"))
    assert scan_model(path).state is ModelState.NO_CODE
    path.write_bytes(whole(made + call(name("os.system"), text("id")) + b"sb"))
    assert scan_model(path).state is ModelState.DANGEROUS
