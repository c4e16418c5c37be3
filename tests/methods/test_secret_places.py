"""Credentials in every syntax that holds them, each with a look-alike that holds none.

All values are drawn when the test runs; none of them opens anything.
"""

import base64
import json
import random
import string

import pytest

from hauberk.controls.code.committed_secrets import CommittedSecrets
from hauberk.range.planted import single

R = random.Random(5)


def t(n, al=string.ascii_letters + string.digits):
    return "".join(R.choice(al) for _ in range(n))


def hx(n):
    return t(n, "0123456789abcdef")


def b(s):
    return base64.b64encode(s.encode()).decode()


PW = ["Vk7#pLq2wz", "tr0mbone!Kite9", "gR8x-Lm2q-Zp0", "Winter2024!x", "p@ssM0del77", "9fJqLs0dT4"]


def pw():
    return R.choice(PW) + t(2)


CASES = []


def c(n, p, x, g):
    CASES.append((n, p, x, g))


c("env-short", ".env", f"DB_PASS={pw()}\n", "DB_PASS=\n")
c("env-openai-key", ".env.local", f"OPENAI_KEY=sk-{t(48)}\n", "OPENAI_KEY=sk-your-key-here\n")
c("env-key", "settings.env", f"STORAGE_KEY={t(44)}\n", "CACHE_KEY=model/v3/features\n")
c(
    "netrc",
    ".netrc",
    f"machine api.wandb.ai\n  login user\n  password {hx(40)}\n",
    "machine api.wandb.ai\n  login user\n  password ${WANDB}\n",
)
c(
    "netrc-one",
    "docker/.netrc",
    f"machine git.acme.test login ci password {pw()}\n",
    "machine git.acme.test login ci password <token>\n",
)
c(
    "pypirc",
    ".pypirc",
    f"[pypi]\nusername = deploy\npassword = {pw()}\n",
    "[pypi]\nusername = __token__\n",
)
c(
    "docker-config",
    ".docker/config.json",
    json.dumps({"auths": {"registry.acme.test": {"auth": b("ci:" + pw())}}}),
    json.dumps({"auths": {"registry.acme.test": {}}, "credsStore": "desktop"}),
)
c(
    "kube-token",
    "kube/config",
    "apiVersion: v1\nkind: Config\nusers:\n- name: ci\n  user:\n    token: " + t(64) + "\n",
    "apiVersion: v1\nkind: Config\nusers:\n- name: ci\n  user:\n    exec: {command: aws}\n",
)
c(
    "kube-client-key",
    "kubeconfig.yaml",
    "users:\n- name: ci\n  user:\n    client-key-data: "
    + b(
        "-----BEGIN RSA PRIVATE KEY-----\n"
        + t(64)
        + "\n"
        + t(64)
        + "\n-----END RSA PRIVATE KEY-----\n"
    )
    + "\n",
    "users:\n- name: ci\n  user:\n    client-certificate-data: "
    + b("-----BEGIN CERTIFICATE-----\n" + t(64) + "\n" + t(64) + "\n-----END CERTIFICATE-----\n")
    + "\n",
)
c(
    "k8s-secret-b64",
    "k8s/secret.yaml",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata:\n  password: " + b(pw()) + "\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata:\n  password: "
    + b("changeme")
    + "\n",
)
c(
    "k8s-secret-other",
    "k8s/secret.yaml",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ntype: Opaque\ndata:\n  url: "
    + b("postgresql://svc:" + pw().replace("@", "x").replace("#", "x") + "@db:5432/x")
    + "\n",
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ntype: Opaque\ndata:\n  url: "
    + b("postgresql://db:5432/x")
    + "\n",
)
c(
    "k8s-stringdata",
    "k8s/secret.yaml",
    "apiVersion: v1\nkind: Secret\nstringData:\n  db-pass: " + pw().replace("#", "x") + "\n",
    "apiVersion: v1\nkind: Secret\nstringData:\n  db-pass: REPLACE_ME\n",
)
c(
    "conn-ado",
    "appsettings.json",
    json.dumps(
        {"ConnectionStrings": {"Main": f"Server=db;Database=ml;User Id=svc;Password={pw()};"}}
    ),
    json.dumps({"ConnectionStrings": {"Main": "Server=db;Database=ml;Trusted_Connection=True;"}}),
)
c(
    "conn-odbc",
    "load.py",
    f"import pyodbc\ncn = pyodbc.connect('DRIVER=x;SERVER=db;UID=svc;PWD={pw()}')\n",
    "import pyodbc, os\ncn = pyodbc.connect('DRIVER=x;SERVER=db;UID=svc;PWD=' + os.environ['P'])\n",
)
c(
    "jdbc",
    "app.properties",
    f"jdbc.url=jdbc:postgresql://db:5432/f?user=svc&password={pw().replace('#', 'x')}\n",
    "jdbc.url=jdbc:postgresql://db:5432/f?user=svc&password=${P}\n",
)
c(
    "dsn",
    "ml.py",
    f'DSN = "host=db user=svc password={pw()} dbname=f"\n',
    'DSN = "host=db user=svc dbname=f"\n',
)
c(
    "libpq-kw",
    "ml.py",
    f"import psycopg2\nconn = psycopg2.connect(host='db', user='svc', password='{pw()}')\n",
    "import psycopg2\nconn = psycopg2.connect(host='db', user='svc', password=get_secret('db'))\n",
)
c(
    "requests-auth",
    "dl.py",
    f"import requests\nr = requests.get('https://x.test/a', auth=('svc-train', '{pw()}'))\n",
    "import requests\nr = requests.get('https://x.test/a', auth=(USER, PASSWORD))\n",
)
c(
    "basicauth",
    "dl.py",
    f"from requests.auth import HTTPBasicAuth\na = HTTPBasicAuth('ci', '{pw()}')\n",
    "from requests.auth import HTTPBasicAuth\na = HTTPBasicAuth(user, secret)\n",
)
c(
    "basic-header",
    "dl.py",
    f"H = {{'Authorization': 'Basic {b('svc:' + pw())}'}}\n",
    "H = {'Authorization': 'Basic ' + encoded}\n",
)
c(
    "smtp",
    "mail.py",
    f"import smtplib\ns = smtplib.SMTP('m')\ns.login('bot@a.test', '{pw()}')\n",
    "import smtplib\ns = smtplib.SMTP('m')\ns.login(user, pw)\n",
)
c(
    "minio-pos",
    "st.py",
    f"from minio import Minio\nc = Minio('s3.acme.test', '{t(20, string.ascii_uppercase + string.digits)}', '{t(40)}')\n",
    "from minio import Minio\nc = Minio('s3.acme.test', ak, sk)\n",
)
c(
    "boto-kw",
    "st.py",
    f"import boto3\nc = boto3.client('s3', aws_access_key_id='AKIA{t(16, string.ascii_uppercase + '234567')}', aws_secret_access_key='{t(40)}')\n",
    "import boto3\nc = boto3.client('s3')\n",
)
c(
    "jwt-encode",
    "auth.py",
    f"import jwt\ntok = jwt.encode({{'u': 1}}, '{t(32)}', algorithm='HS256')\n",
    "import jwt\ntok = jwt.encode({'u': 1}, KEY, algorithm='HS256')\n",
)
c("flask-secret", "app.py", f"app.secret_key = '{t(24)}'\n", "app.secret_key = os.environ['K']\n")
c(
    "django",
    "settings.py",
    f"SECRET_KEY = 'django-insecure-{t(50)}'\n",
    "SECRET_KEY = env('SECRET_KEY')\n",
)
c(
    "dict-py",
    "conf.py",
    f"CREDS = {{'user': 'svc', 'pass': '{pw()}'}}\n",
    "CREDS = {'user': 'svc', 'pass': None}\n",
)
c(
    "dict-py2",
    "conf.py",
    f"cfg = dict(host='h', pwd='{pw()}')\n",
    "cfg = dict(host='h', pwd=ask())\n",
)
c(
    "yaml-nested",
    "conf/db.yml",
    f"db:\n  user: svc\n  pass: {pw().replace('#', 'x')}\n",
    "db:\n  user: svc\n  pass: ${DB_PASS}\n",
)
c("yaml-quoted", "conf/db.yml", f'smtp:\n  password: "{pw()}"\n', 'smtp:\n  password: ""\n')
c(
    "yaml-passphrase",
    "conf/k.yml",
    f"gpg:\n  passphrase: {pw().replace('#', 'x')}\n",
    "gpg:\n  passphrase: !vault |\n    $ANSIBLE_VAULT;1.1\n",
)
c(
    "toml",
    "conf.toml",
    f'[hub]\ntoken = "hf_{t(34)}"\n',
    '[hub]\ntoken = "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"\n',
)
c(
    "toml2",
    ".streamlit/secrets.toml",
    f'[connections.db]\npassword = "{pw()}"\n',
    '[connections.db]\nhost = "db"\n',
)
c("ini", "mlflow.ini", f"[auth]\nadmin_password = {pw()}\n", "[auth]\nadmin_password = %(PW)s\n")
c(
    "tf-var",
    "vars.tf",
    f'variable "db_password" {{\n  default = "{pw()}"\n}}\n',
    'variable "db_password" {\n  type = string\n  sensitive = true\n}\n',
)
c("tfvars", "prod.tfvars", f'master_password = "{pw()}"\n', 'master_password = ""\n')
c(
    "tf-provider",
    "main.tf",
    f'provider "x" {{\n  secret_key = "{t(40)}"\n}}\n',
    'provider "x" {\n  secret_key = var.secret_key\n}\n',
)
c(
    "tfstate",
    "terraform.tfstate",
    json.dumps(
        {"resources": [{"instances": [{"attributes": {"password": pw(), "username": "x"}}]}]}
    ),
    json.dumps({"resources": [{"instances": [{"attributes": {"username": "x"}}]}]}),
)
c(
    "gh-ci",
    ".github/workflows/a.yml",
    f"on: push\npermissions: {{}}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    env:\n      REG_PASS: {pw().replace('#', 'x')}\n    steps: [{{run: make}}]\n",
    "on: push\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    env:\n      REG_PASS: ${{ secrets.REG }}\n    steps: [{run: make}]\n",
)
c(
    "gl-ci",
    ".gitlab-ci.yml",
    f'variables:\n  DEPLOY_TOKEN: "{t(26)}"\njob:\n  image: a@sha256:{hx(64)}\n  script: [make]\n',
    f"variables:\n  DEPLOY_TOKEN: $VAULT\njob:\n  image: a@sha256:{hx(64)}\n  script: [make]\n",
)
c(
    "jenkins",
    "Jenkinsfile",
    f"pipeline {{ environment {{ NEXUS_PW = '{pw()}' }} }}\n",
    "pipeline { environment { NEXUS_PW = credentials('nexus') } }\n",
)
c(
    "shell-export",
    "env.sh",
    f"export AWS_SECRET_ACCESS_KEY={t(40)}\n",
    "export AWS_SECRET_ACCESS_KEY=$1\n",
)
c(
    "shell-mysql",
    "dump.sh",
    f"mysqldump -u root -p{pw()} ml > d.sql\n",
    'mysqldump -u root -p"$PW" ml > d.sql\n',
)
c(
    "shell-sshpass",
    "cp.sh",
    f"sshpass -p '{pw()}' scp m.pt box:/m\n",
    "sshpass -e scp m.pt box:/m\n",
)
c(
    "shell-dockerlogin",
    "push.sh",
    f"docker login -u ci -p {pw()} registry.acme.test\n",
    "docker login -u ci --password-stdin registry.acme.test < f\n",
)
c(
    "shell-literal",
    "mk.sh",
    f"kubectl create secret generic db --from-literal=password={pw()}\n",
    "kubectl create secret generic db --from-file=password=./pw\n",
)
c(
    "shell-curlu",
    "dl.sh",
    f"curl -u svc:{pw()} https://x.test/m.bin -o m.bin\n",
    'curl -u "$U:$P" https://x.test/m.bin -o m.bin\n',
)
c(
    "shell-wget",
    "dl.sh",
    f"wget --user=svc --password={pw()} https://x.test/m.bin\n",
    'wget --user=svc --password="$P" https://x.test/m.bin\n',
)
c("shell-rediscli", "r.sh", f"redis-cli -h c -a {pw()} ping\n", 'redis-cli -h c -a "$P" ping\n')
c("shell-pgpass", "r.sh", f"PGPASSWORD={pw()} psql -h db\n", "PGPASSWORD=$P psql -h db\n")
c("pgpass-file", ".pgpass", f"db.acme.test:5432:ml:svc:{pw()}\n", "db.acme.test:5432:ml:svc:*\n")
c("redis-conf", "redis.conf", f"requirepass {pw()}\n", "requirepass ${REDIS_PASS}\n")
c("redis-masterauth", "redis.conf", f"masterauth {pw()}\n", "# masterauth <password>\n")
c(
    "sql",
    "init.sql",
    f"CREATE USER svc WITH PASSWORD '{pw()}';\n",
    "CREATE USER svc WITH PASSWORD :'pw';\n",
)
c(
    "sql2",
    "init.sql",
    f"CREATE USER 'svc'@'%' IDENTIFIED BY '{pw()}';\n",
    "CREATE USER 'svc'@'%' IDENTIFIED BY '{{ password }}';\n",
)
c(
    "npmrc",
    ".npmrc",
    f"//registry.npmjs.org/:_authToken={t(36)}\n",
    "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n",
)
c(
    "pip-conf",
    "pip.conf",
    f"[global]\nindex-url = https://ci:{pw().replace('#', 'x').replace('@', 'x')}@pkgs.acme.test/simple\n",
    "[global]\nindex-url = https://pkgs.acme.test/simple\n",
)
c(
    "req",
    "requirements.txt",
    f"--index-url https://u:{t(12)}@pkgs.acme.test/simple\nnumpy==1.0\n",
    "--index-url https://pkgs.acme.test/simple\nnumpy==1.0\n",
)
c(
    "dvc",
    ".dvc/config",
    f"['remote \"s\"']\n    url = s3://b\n    secret_access_key = {t(40)}\n",
    "['remote \"s\"']\n    url = s3://b\n",
)
c(
    "gitmodules",
    ".gitmodules",
    f'[submodule "x"]\n\tpath = x\n\turl = https://bot:{t(20)}@git.acme.test/x.git\n',
    '[submodule "x"]\n\tpath = x\n\turl = https://git.acme.test/x.git\n',
)
c(
    "gitcred",
    ".git-credentials",
    f"https://bot:glpat-{t(20)}@gitlab.com\n",
    "https://bot:@gitlab.com\n",
)
c(
    "notebook-out",
    "n.ipynb",
    json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": 1,
                    "metadata": {},
                    "source": ["!env"],
                    "outputs": [
                        {
                            "output_type": "stream",
                            "name": "stdout",
                            "text": ["HOME=/root\n", f"DB_PASSWORD={pw()}\n"],
                        }
                    ],
                }
            ],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    ),
    json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": 1,
                    "metadata": {},
                    "source": ["print(1)"],
                    "outputs": [
                        {"output_type": "stream", "name": "stdout", "text": ["HOME=/root\n"]}
                    ],
                }
            ],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    ),
)
c(
    "notebook-env",
    "n.ipynb",
    json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": 1,
                    "metadata": {},
                    "source": [f"%env KAGGLE_KEY={hx(32)}"],
                    "outputs": [],
                }
            ],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    ),
    json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": 1,
                    "metadata": {},
                    "source": ["%env KAGGLE_USERNAME=x"],
                    "outputs": [],
                }
            ],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    ),
)
c(
    "kaggle",
    "kaggle.json",
    json.dumps({"username": "x", "key": hx(32)}),
    json.dumps({"username": "x", "key": ""}),
)
c(
    "sa-json",
    "sa.json",
    json.dumps(
        {
            "type": "service_account",
            "private_key": "-----BEGIN PRIVATE KEY-----\n"
            + t(64)
            + "\n"
            + t(64)
            + "\n-----END PRIVATE KEY-----\n",
        }
    ),
    json.dumps({"type": "service_account", "client_email": "a@b.iam.gserviceaccount.com"}),
)
c(
    "pem",
    "deploy.pem",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    + t(70)
    + "\n"
    + t(70)
    + "\n-----END OPENSSH PRIVATE KEY-----\n",
    "-----BEGIN PUBLIC KEY-----\n" + t(64) + "\n-----END PUBLIC KEY-----\n",
)
c(
    "py-b64",
    "c.py",
    f"import base64\nK = base64.b64decode('{b('hf_' + t(34))}').decode()\n",
    f"import base64\nK = base64.b64decode('{b('just a friendly greeting to all of you')}').decode()\n",
)
c("py-split", "c.py", f"TOKEN = 'ghp_' + '{t(36)}'\n", "TOKEN = 'ghp_' + suffix\n")
c(
    "py-split2",
    "c.py",
    f"K = ('AKIA'\n     '{t(16, string.ascii_uppercase + '234567')}')\n",
    "K = ('AKIA'\n     '...')\n",
)
c(
    "py-getenv-default",
    "c.py",
    f"import os\nP = os.getenv('DB_PASSWORD', '{pw()}')\n",
    "import os\nP = os.getenv('DB_PASSWORD', '')\n",
)
c(
    "py-environ",
    "c.py",
    f"import os\nos.environ['WANDB_API_KEY'] = '{hx(40)}'\n",
    "import os\nos.environ['WANDB_MODE'] = 'offline'\n",
)
c(
    "py-setdefault",
    "c.py",
    f"import os\nos.environ.setdefault('MLFLOW_TRACKING_PASSWORD', '{pw()}')\n",
    "import os\nos.environ.setdefault('MLFLOW_TRACKING_URI', 'https://m.acme.test')\n",
)
c(
    "py-wandb",
    "c.py",
    f"import wandb\nwandb.login(key='{hx(40)}')\n",
    "import wandb\nwandb.login(key=key)\n",
)
c(
    "py-hf",
    "c.py",
    f"from huggingface_hub import login\nlogin('hf_{t(34)}')\n",
    "from huggingface_hub import login\nlogin(tok)\n",
)
c(
    "py-comment",
    "c.py",
    f"# staging login: admin / {pw()}\nx = 1\n",
    "# staging login: ask the team\nx = 1\n",
)
c(
    "py-comment2",
    "c.py",
    f"# the pw for the GPU box is {pw()}\nx = 1\n",
    "# the pw for the GPU box is in the vault\nx = 1\n",
)
c(
    "md-prose",
    "README.md",
    f"Log in as `trainer` with password `{pw()}`.\n",
    "Log in as `trainer` with password `<password>`.\n",
)
c("md-prose2", "docs/s.md", f"user: ci, password: {pw()}\n", "user: ci, password: see vault\n")
c(
    "md-prose3",
    "docs/s.md",
    f"| host | user | password |\n|---|---|---|\n| db | svc | {pw()} |\n",
    "| host | user | password |\n|---|---|---|\n| db | svc | in the vault |\n",
)
c(
    "argparse",
    "t.py",
    f"import argparse\np = argparse.ArgumentParser()\np.add_argument('--db-password', default='{pw()}')\n",
    "import argparse\np = argparse.ArgumentParser()\np.add_argument('--db-password', default=None)\n",
)
c(
    "dataclass",
    "t.py",
    f"class S:\n    api_key: str = '{t(32)}'\n",
    "class S:\n    api_key: str = ''\n",
)
c(
    "pydantic",
    "t.py",
    f"from pydantic import SecretStr\nPWD = SecretStr('{pw()}')\n",
    "from pydantic import SecretStr\nPWD = SecretStr('')\n",
)
c(
    "field",
    "t.py",
    f"class S:\n    db_secret: str = Field(default='{t(20)}', env='X')\n",
    "class S:\n    db_secret: str = Field(default='', env='X')\n",
)
c(
    "azure-sas",
    "t.py",
    f"U = 'https://a.blob.core.windows.net/c?sv=2022-11-02&se=2030&sr=c&sp=r&sig={t(43)}%3D'\n",
    "U = 'https://a.blob.core.windows.net/c?sv=2022-11-02'\n",
)
c(
    "azure-conn",
    "t.env",
    f"AZ=DefaultEndpointsProtocol=https;AccountName=x;AccountKey={t(86)}==;\n",
    "AZ=UseDevelopmentStorage=true\n",
)
c(
    "slack-hook",
    "t.yml",
    f"hook: https://hooks.slack.com/services/T{t(9, string.ascii_uppercase + '23')}/B{t(9, string.ascii_uppercase + '23')}/{t(24)}\n",
    "hook: https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX\n",
)
c(
    "discord-hook",
    "t.yml",
    f"hook: https://discord.com/api/webhooks/{t(18, string.digits)}/{t(68)}\n",
    "hook: https://discord.com/api/webhooks/<id>/<token>\n",
)
c(
    "presigned",
    "t.py",
    f"U='https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIA{t(16, string.ascii_uppercase + '234567')}%2F2024&X-Amz-Signature={hx(64)}'\n",
    "U='https://b.s3.amazonaws.com/k'\n",
)
c(
    "url-token-query",
    "t.py",
    f"U='https://api.acme.test/data?api_key={t(32)}'\n",
    "U='https://api.acme.test/data?api_key=' + k\n",
)
c(
    "url-token-user",
    "i.sh",
    f"git clone https://{t(40)}@git.acme.test/ml/x.git\n",
    "git clone https://git.acme.test/ml/x.git\n",
)
c(
    "url-oauth2",
    "i.sh",
    f"git clone https://oauth2:{t(20)}@gitlab.com/a/b.git\n",
    "git clone https://oauth2:${T}@gitlab.com/a/b.git\n",
)
c(
    "git-remote",
    "i.sh",
    f"git remote add up https://ci:{pw().replace('#', 'x').replace('@', 'x')}@git.acme.test/x.git\n",
    "git remote add up git@git.acme.test:x.git\n",
)
c(
    "compose-env",
    "compose.yml",
    f"services:\n  d:\n    image: p@sha256:{hx(64)}\n    environment:\n      - POSTGRES_PASSWORD={pw()}\n",
    f"services:\n  d:\n    image: p@sha256:{hx(64)}\n    environment:\n      - POSTGRES_PASSWORD=${{P}}\n",
)
c(
    "dockerfile-env",
    "Dockerfile",
    f"FROM a@sha256:{hx(64)}\nENV API_SECRET={t(32)}\nUSER a\n",
    f"FROM a@sha256:{hx(64)}\nENV API_BASE=https://x.test\nUSER a\n",
)
c(
    "dockerfile-arg",
    "Dockerfile",
    f"FROM a@sha256:{hx(64)}\nARG PIP_PW={pw()}\nUSER a\n",
    f"FROM a@sha256:{hx(64)}\nARG VERSION=1.2.3\nUSER a\n",
)
c(
    "helm-values",
    "values.yaml",
    f"auth:\n  rootPassword: {pw().replace('#', 'x')}\n",
    "auth:\n  existingSecret: x\n",
)
c(
    "airflow-conn",
    "af.env",
    f"AIRFLOW_CONN_DB='postgres://u:{t(14)}@db/x'\n",
    "AIRFLOW_CONN_DB='postgres://db/x'\n",
)
c("airflow-fernet", "airflow.cfg", f"[core]\nfernet_key = {t(43)}=\n", "[core]\nfernet_key =\n")
c(
    "webserver-secret",
    "airflow.cfg",
    f"[webserver]\nsecret_key = {hx(32)}\n",
    "[webserver]\nsecret_key = {{ SECRET }}\n",
)
c("js", "a.js", f'const apiKey = "{t(39)}";\n', "const apiKey = process.env.KEY;\n")
c("java", "A.java", f'String password = "{pw()}";\n', 'String password = System.getenv("P");\n')
c("r", "a.R", f'Sys.setenv(DB_PWD = "{pw()}")\n', 'Sys.setenv(DB_HOST = "db")\n')
c(
    "xml",
    "settings.xml",
    f"<server><username>ci</username><password>{pw()}</password></server>\n",
    "<server><username>ci</username><password>${env.P}</password></server>\n",
)
c("csv-creds", "accounts.csv", f"user,password\nalice,{pw()}\n", "user,country\nalice,DE\n")
c(
    "ansible",
    "group_vars/all.yml",
    f"ansible_become_pass: {pw().replace('#', 'x')}\n",
    'ansible_become_pass: "{{ vault_pass }}"\n',
)
c("htdigest", "vpn.conf", f"psk = {t(22)}\n", "psk = %PSK%\n")
c(
    "bearer",
    "c.py",
    f"H = {{'Authorization': 'Bearer {t(40)}'}}\n",
    "H = {'Authorization': f'Bearer {tok}'}\n",
)
c("xapikey", "c.py", f"H = {{'X-API-Key': '{t(32)}'}}\n", "H = {'X-API-Key': key}\n")
c("x-auth", "c.py", f"H = {{'x-auth': '{t(32)}'}}\n", "H = {'x-auth': a}\n")
c("passcode", "a.ini", f"unlock_passcode={pw()}\n", "unlock_passcode=\n")
c(
    "log",
    "run.log",
    f"2024-01-01 DEBUG connecting with password='{pw()}'\n",
    "2024-01-01 DEBUG connecting with password='***'\n",
)
c(
    "ml-key-args",
    "train.sh",
    f"python train.py --neptune-token {t(60)} --epochs 3\n",
    "python train.py --epochs 3\n",
)
c(
    "comet",
    "c.py",
    f"from comet_ml import Experiment\ne = Experiment('{t(25)}', project_name='x')\n",
    "from comet_ml import Experiment\ne = Experiment(project_name='x')\n",
)
c(
    "ssh-config",
    "c.py",
    f"cli.connect('gpu01', username='svc', password='{pw()}')\n",
    "cli.connect('gpu01', username='svc', key_filename='k')\n",
)
c(
    "fernet",
    "c.py",
    f"from cryptography.fernet import Fernet\nf = Fernet(b'{t(43)}=')\n",
    "from cryptography.fernet import Fernet\nf = Fernet(k)\n",
)
c(
    "aes",
    "c.py",
    f"from Crypto.Cipher import AES\ncipher = AES.new(bytes.fromhex('{hx(64)}'), AES.MODE_GCM)\n",
    "from Crypto.Cipher import AES\ncipher = AES.new(key, AES.MODE_GCM)\n",
)
# look-alikes alone
LOOK_ALIKES = [
    ("hashes", "x.lock", f"sha256:{hx(64)}\nintegrity: sha512-{b(t(64))}\n"),
    ("uuid", "x.py", "RUN_ID = '3f2b8c1e-9d4a-4f6b-8a2e-1c7d5e9f0a3b'\n"),
    ("sha-const", "x.py", f"MODEL_SHA256 = '{hx(64)}'\nTOKEN_HASH = '{hx(64)}'\n"),
    ("commit", "x.yml", f"uses: a/b@{hx(40)}\nrev: {hx(40)}\n"),
    ("img", "x.md", f"![p](data:image/png;base64,{t(400)})\n"),
    (
        "tok",
        "x.py",
        "tokenizer = AutoTokenizer.from_pretrained('bert-base-uncased')\npad_token = '[PAD]'\neos_token_id=50256\nmax_tokens = 4096\n",
    ),
    (
        "cachekey",
        "x.py",
        "cache_key = 'features/2024-01-01/part-0001'\nprimary_key = 'customer_id'\nsort_key='ts_2024'\n",
    ),
    (
        "s3key",
        "x.py",
        "s3_key = 'models/resnet50_v2/2024/weights.pt'\nobject_key='train_2024_q1.parquet'\nkey='accuracy_top5_v2'\n",
    ),
    ("pubkey", "x.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + t(42) + " a@b\n"),
    ("rsa", "known_hosts", "github.com ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ" + t(300) + "\n"),
    (
        "env-ex",
        ".env.example",
        "OPENAI_API_KEY=sk-...\nDB_PASSWORD=changeme\nHF_TOKEN=<your token>\nAWS_SECRET_ACCESS_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
    ),
    (
        "pass-words",
        "x.md",
        "The password is checked twice. Enter your password and token: both are required.\n",
    ),
    (
        "func",
        "x.py",
        "def check_password(password, stored_hash):\n    return hash_password(password) == stored_hash\ntoken = get_token_from_env()\nsecret = client.secrets.get_value('db')\n",
    ),
    (
        "kw",
        "x.py",
        "train(model, n_pass=3, passes=10, pass_through=True)\nby_pass = 'no'\nkeys = ['a1b2','c3d4']\n",
    ),
    (
        "docker-p",
        "x.sh",
        "docker run -p 8080:8080 -p 9090:9090 img\nmkdir -p /data/models2024\npatch -p1 < fix.patch\ncp -p a1 b2\n",
    ),
    ("mysql-p", "x.sh", "psql -p 5432 -U svc\nmysql -P 3306 -u root -p\n"),
    ("auth-kw", "x.py", "r = get(u, auth=('user', 'pass'))\nHTTPBasicAuth('user','password')\n"),
    (
        "login",
        "x.py",
        "client.login('alice', scopes='read')\ns.login(username, password)\nlogin('user', 'pass')\n",
    ),
    (
        "b64-text",
        "x.py",
        f"LOGO = '{b('hello world this is a long plain text without anything in it')}'\n",
    ),
    (
        "jwt-sample",
        "x.md",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c\n",
    ),
    (
        "cells",
        "x.ipynb",
        json.dumps(
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "execution_count": 1,
                        "metadata": {},
                        "source": ["plot()"],
                        "outputs": [
                            {
                                "output_type": "display_data",
                                "data": {
                                    "image/png": t(800),
                                    "text/plain": ["<Figure size 640x480 with 1 Axes>"],
                                },
                                "metadata": {},
                            }
                        ],
                    }
                ],
                "metadata": {},
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        ),
    ),
    (
        "k8s-cert",
        "x.yaml",
        "data:\n  ca.crt: "
        + b("-----BEGIN CERTIFICATE-----\n" + t(64) + "\n-----END CERTIFICATE-----\n")
        + "\n",
    ),
    ("table", "x.md", "| parameter | type | password |\n|---|---|---|\n| db | str | required |\n"),
    ("csvh", "x.csv", "token,count\nthe123,55\nfoo_bar9,12\n"),
    (
        "url-user",
        "x.py",
        "U='https://user@host.test/x'\nV='ssh://git@github.com/a/b'\nW='postgresql://localhost:5432/x'\n",
    ),
    ("pgpassx", "hosts.txt", "localhost:5432:db:user:password\n"),
    ("conn", "x.cs", "Server=db;User Id=sa;Password=<password>;\nPwd=%PW%;\n"),
    ("recaptcha", "x.html", "<div data-sitekey='6Le" + t(37) + "'></div>\n"),
    (
        "zipkey",
        "x.py",
        "partition_key = 'tenant_2024_eu1'\nidempotency_key = 'job-2024-11-03-0001'\nfeature_key='age_bucket_v2x'\n",
    ),
]
for n, p, x in LOOK_ALIKES:
    c(
        "look-" + n,
        p,
        "AKIA" + t(16, string.ascii_uppercase + "234567") + "\n"
        if not p.endswith("ipynb")
        else x.replace("plot()", "AKIA" + t(16, string.ascii_uppercase + "234567")),
        x,
    )


def found(path, text):
    return list(CommittedSecrets().check(single(path, text)))


@pytest.mark.parametrize(
    ("path", "bad", "good"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_credential_is_told_and_its_look_alike_is_not(path, bad, good):
    assert found(path, bad)
    assert found(path, good) == []


def test_no_credential_is_shown():
    for _, path, bad, _ in CASES:
        for finding in found(path, bad):
            line = bad.split("\n")[finding.location.line - 1]
            shown = finding.message + str(finding.evidence)
            words = [
                word for word in line.replace('"', " ").replace("'", " ").split() if len(word) > 20
            ]
            assert not any(word in shown for word in words)
