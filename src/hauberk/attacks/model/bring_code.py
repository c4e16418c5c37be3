"""A hub folder that has its loader run code: see `BringCode`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import ModelFolder
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import model_writing as write


@dataclass(frozen=True, slots=True, kw_only=True)
class BringCode(Transform[ModelFolder]):
    """Have a loader run code that a model's folder brings or points at.

    Remote code of the same and of another repository in configurations of models, tokenizers
    and processors, parts of pipelines from modules beside them, custom pipelines and generation,
    Python that runs where it is imported, weights as a pickle with a payload.

    Args:
        way: Name of one way; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0010.003; CWE-829; Hugging Face, notes on ``trust_remote_code``.
    """

    title: ClassVar[str] = "Bring code to whoever loads a model's folder"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-6"),)
    subject: ClassVar[type] = ModelFolder

    way: str | None = None

    def apply(self, subject: ModelFolder, rng: Random) -> Attacked[ModelFolder]:
        """The attacked twin, in a folder of its own beside ``subject``.

        ``truth["run"]`` is what a loader that trusts the folder would run.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        folder = subject.path.with_name(f"{subject.path.name}-attacked")
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier attack on the same subject
        write_hub(folder, rng)
        run = WAYS[way](folder, rng)
        return Attacked(
            subject=ModelFolder(name=folder.name, path=folder), truth={"way": way, "run": run}
        )


def write_hub(folder: Path, rng: Random) -> None:
    """An ordinary folder: a configuration, a tokenizer's, weights, a card."""
    folder.mkdir(parents=True)
    labels = rng.sample(("cat", "dog", "bird", "fish", "horse"), 3)
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_size": 64,
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
        "transformers_version": "4.44.0",
    }
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "pad_token": "[PAD]"}
    size = 4 * rng.randint(4, 64)
    header = {"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "model.safetensors").write_bytes(write.safetensors(header, rng.randbytes(size)))
    (folder / "README.md").write_text("# A model\n")


def _word(rng: Random) -> str:
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(4, 10)))


def _changed(path: Path, changes: Mapping[str, Any]) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **changes}))


def _code(folder: Path, rng: Random, module: str) -> None:
    """Code that looks like a model and does something else as well."""
    text = f"import torch\n\n\nclass Model(torch.nn.Module):\n    name = {_word(rng)!r}\n"
    (folder / f"{module}.py").write_text(text)


def _own(file: str, key: str) -> Callable[[Path, Random], str]:
    def way(folder: Path, rng: Random) -> str:
        module = f"modeling_{_word(rng)}"
        _code(folder, rng, module)
        _changed(folder / file, {"auto_map": {key: f"{module}.Model"}})
        return module

    return way


def _elsewhere(folder: Path, rng: Random) -> str:
    there = f"{_word(rng)}/{_word(rng)}--modeling.Model"
    _changed(folder / "config.json", {"auto_map": {"AutoModel": there}})
    return there


def _processor(folder: Path, rng: Random) -> str:
    module = f"processing_{_word(rng)}"
    _code(folder, rng, module)
    entry = {"image_processor_type": "ViTImageProcessor", "auto_map": {"AutoProcessor": module}}
    _changed(folder / "preprocessor_config.json", entry)
    return module


def _pipeline(folder: Path, rng: Random) -> str:
    module = _word(rng)
    _code(folder, rng, module)
    entry = {
        "_class_name": "DiffusionPipeline",
        "_diffusers_version": "0.30.0",
        "unet": [module, "Model"],
    }
    _changed(folder / "model_index.json", entry)
    return module


def _custom(key: str) -> Callable[[Path, Random], str]:
    def way(folder: Path, rng: Random) -> str:
        module = _word(rng)
        _code(folder, rng, module)
        value: Any = {"my-task": {"impl": f"{module}.Model", "pt": ["AutoModel"]}}
        _changed(folder / "config.json", {key: value if key == "custom_pipelines" else module})
        return module

    return way


def _steps(folder: Path, rng: Random) -> str:
    module = f"{_word(rng)}.Model"
    entry = [{"idx": 0, "name": "0", "path": "", "type": module}]
    (folder / "modules.json").write_text(json.dumps(entry))
    return module


def _beside(folder: Path, rng: Random) -> str:
    call = rng.choice(("os.system('true')", "subprocess.run(['true'])", "exec('pass')"))
    (folder / "__init__.py").write_text(f"import os\nimport subprocess\n\n{call}\n")
    return call


def _weights(folder: Path, rng: Random) -> str:
    text = f"true {_word(rng)}"
    (folder / "pytorch_model.bin").write_bytes(f"cos\nsystem\n(V{text}\ntR.".encode())
    return text


def _parent(folder: Path, rng: Random) -> str:
    module = _word(rng)
    entry = {
        "peft_type": "LORA",
        "auto_mapping": {"base_model_class": "Model", "parent_library": module},
    }
    _changed(folder / "adapter_config.json", entry)
    return module


WAYS: Mapping[str, Callable[[Path, Random], str]] = {
    "model": _own("config.json", "AutoModel"),
    "tokenizer": _own("tokenizer_config.json", "AutoTokenizer"),
    "another repository": _elsewhere,
    "processor": _processor,
    "part of a pipeline": _pipeline,
    "custom pipeline": _custom("custom_pipelines"),
    "custom generation": _custom("custom_generate"),
    "sentence transformer": _steps,
    "adapter's library": _parent,
    "package beside": _beside,
    "weights": _weights,
}
"""Name of a way to what changes the folder."""
