"""Secrets by reference, from real secret managers where they can run; and none of them written."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from headwater.errors import ConfigError
from headwater.secrets.redaction import Redactor, redact_url
from headwater.secrets.references import References, is_reference
from headwater.testing.server import Answer, Server
from hypothesis import given
from hypothesis import strategies as st


def test_from_the_environment_and_from_files(monkeypatch, tmp_path):
    monkeypatch.setenv("THE_TOKEN", "from-the-environment")
    (tmp_path / "plain").write_text("from-a-file\n")
    (tmp_path / "many.json").write_text(json.dumps({"api": {"keys": ["zero", "one"]}, "n": 5}))
    found = References().resolve(
        {
            "a": "env:THE_TOKEN",
            "b": [f"file:{tmp_path}/plain", {"c": f"file:{tmp_path}/many.json#api.keys.1"}],
            "d": f"file:{tmp_path}/many.json#n",
            "e": "no reference, environment: variables",
            "f": 7,
        }
    )
    assert found == {
        "a": "from-the-environment",
        "b": ["from-a-file", {"c": "one"}],
        "d": "5",
        "e": "no reference, environment: variables",
        "f": 7,
    }


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"),
        ("file:/no/such/file", "/no/such/file"),
        ("file:{folder}/x.json#a.b", "a.b"),
        ("file:{folder}/plain#a", "not JSON"),
    ],
)
def test_what_is_not_there_names_the_setting(reference, said, tmp_path):
    (tmp_path / "x.json").write_text('{"a": {}}')
    (tmp_path / "plain").write_text("canary-plain-secret")
    with pytest.raises(ConfigError) as error:
        References().resolve({"auth": {"token": reference.format(folder=tmp_path)}})
    assert "'auth.token'" in str(error.value)
    assert said in str(error.value)
    assert "canary" not in str(error.value)


def test_each_place_is_read_once_until_it_is_forgotten(tmp_path):
    place = tmp_path / "secret"
    place.write_text("first")
    references = References()
    assert references.resolve(f"file:{place}") == "first"
    place.write_text("second")
    assert references.resolve(f"file:{place}") == "first"
    references.forget()
    assert references.resolve(f"file:{place}") == "second"


def test_what_is_a_reference():
    assert is_reference({"a": [{"b": "vault://secret/x#y"}]})
    assert not is_reference({"a": ["environment", "https://x", 5, None]})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError


@pytest.fixture(scope="module")
def bao():
    """OpenBao, which speaks Vault's API, from the wheel that carries it."""
    binary = Path(sys.executable).parent / "bao"
    if not binary.exists():
        pytest.skip("OpenBao is not installed on this platform")
    port = free_port()
    process = subprocess.Popen(
        [binary, "server", "-dev", "-dev-root-token-id=root-token",
         f"-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(port)
    time.sleep(0.5)
    environment = {"VAULT_ADDR": f"http://127.0.0.1:{port}", "VAULT_TOKEN": "root-token"}

    def bao(*arguments):
        variables = {n.replace("VAULT", "BAO"): v for n, v in environment.items()}
        subprocess.run(
            [binary, *arguments], check=True, capture_output=True, env={**os.environ, **variables}
        )

    yield environment, bao
    process.kill()
    process.wait()


def test_vault(bao, monkeypatch):
    environment, command = bao
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    command("kv", "put", "-mount=secret", "taps/github", "token=from-vault", "other=x")
    references = References()
    assert references.resolve("vault://secret/taps/github#token") == "from-vault"
    command("kv", "put", "-mount=secret", "taps/github", "token=rotated-in-vault")
    references.forget()
    assert references.resolve("vault://secret/taps/github#token") == "rotated-in-vault"
    with pytest.raises(ConfigError, match="taps/gone"):
        references.resolve("vault://secret/taps/gone#token")
    with pytest.raises(ConfigError, match="missing"):
        references.resolve("vault://secret/taps/github#missing")
    monkeypatch.setenv("VAULT_TOKEN", "wrong-token")
    with pytest.raises(ConfigError, match="VAULT_TOKEN"):
        References().resolve("vault://secret/taps/github#token")


@pytest.fixture(scope="module")
def aws():
    """AWS Secrets Manager as moto's server speaks it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_aws(aws, monkeypatch):
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": aws, "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    manager = boto3.client("secretsmanager", endpoint_url=aws)
    manager.create_secret(Name="taps/stripe", SecretString='{"key": "from-aws"}')
    manager.create_secret(Name="plain", SecretString="plain-from-aws")
    manager.create_secret(Name="binary", SecretBinary=b"binary-from-aws")
    references = References()
    assert references.resolve("aws-sm://taps/stripe#key") == "from-aws"
    assert references.resolve("aws-sm://plain") == "plain-from-aws"
    assert references.resolve("aws-sm://binary") == "binary-from-aws"
    with pytest.raises(ConfigError, match="GetSecretValue"):
        references.resolve("aws-sm://gone")
    # the endpoint can be given instead of being in the environment
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert References({"aws-sm": aws}).resolve("aws-sm://plain") == "plain-from-aws"


def test_gcp(monkeypatch):
    """A server that speaks the REST form of GCP's Secret Manager."""
    import base64

    def answer(asked):
        names = {
            "/v1/projects/p/secrets/db/versions/3:access": b'{"password": "from-gcp"}',
            "/v1/projects/p/secrets/db/versions/latest:access": b"newest-from-gcp",
        }
        found = names.get(asked.path)
        if found is None:
            return Answer(404, {"error": {"code": 404, "message": "not found",
                                          "status": "NOT_FOUND"}})  # fmt: skip
        return Answer(200, {"name": asked.path[4:-7],
                            "payload": {"data": base64.b64encode(found).decode()}})  # fmt: skip

    with Server(answer) as server:
        monkeypatch.setenv("GCP_SECRET_MANAGER_ENDPOINT", server.url)
        references = References()
        assert references.resolve("gcp-sm://p/db/3#password") == "from-gcp"
        assert references.resolve("gcp-sm://p/db") == "newest-from-gcp"
        with pytest.raises(ConfigError, match="Secret Accessor"):
            references.resolve("gcp-sm://p/gone/1")


def test_a_client_that_is_not_installed_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "hvac", None)
    with pytest.raises(ConfigError, match=r"headwater\[vault\]"):
        References().resolve("vault://secret/x#y")


# --- redaction ------------------------------------------------------------------------------

SECRETS = st.text(min_size=4, max_size=30).filter(lambda text: text.strip() == text)


@given(secret=SECRETS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_secret_is_masked_in_every_spelling(secret, before, after):
    from urllib.parse import quote, quote_plus

    redactor = Redactor()
    redactor.add(secret)
    for spelling in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret),
                     json.dumps(secret)[1:-1]):  # fmt: skip
        assert spelling not in redactor.redact(f"\x01{spelling}\x02").strip("\x01\x02") or (
            spelling in "********"
        )


def test_urls_show_no_secret_parameters():
    shown = redact_url("https://user:pass@host/x?page=2&api_key=abc&access_token=def#frag")
    assert shown == "https://host/x?page=2&api_key=********&access_token=********"


def test_a_key_file_is_masked_line_by_line():
    redactor = Redactor()
    redactor.add(
        "-----BEGIN PRIVATE KEY-----\nAAAABBBBCCCC\nDDDDEEEEFFFF\n-----END PRIVATE KEY-----"
    )
    assert "DDDDEEEE" not in redactor.redact("oops: DDDDEEEEFFFF")
    assert "-----BEGIN PRIVATE KEY-----" in redactor.redact("-----BEGIN PRIVATE KEY-----")
