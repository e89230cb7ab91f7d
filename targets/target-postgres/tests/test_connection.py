"""TLS and ssh to a real Postgres, by a real ssh server on loopback."""

import contextlib
import datetime as dt
import ipaddress
import json
import select
import socket
import threading
from io import BytesIO

import paramiko
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from headwater.errors import ConfigError
from headwater.testing.postgres import Postgres
from target_postgres.target import TargetPostgres

MESSAGES = b"".join(
    json.dumps(message).encode() + b"\n"
    for message in (
        {"type": "SCHEMA", "stream": "s", "key_properties": ["id"],
         "schema": {"type": "object", "properties": {"id": {"type": "integer"}}}},
        {"type": "RECORD", "stream": "s", "record": {"id": 1}},
        {"type": "STATE", "value": {"done": True}},
    )
)  # fmt: skip


def load(config):
    states = []
    TargetPostgres(config=config, output=states.append).process(BytesIO(MESSAGES))
    return states


# --- TLS ------------------------------------------------------------------------------------


class Authority:
    """An authority of certificates."""

    def __init__(self, name="authority"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, is_authority=True)

    def issue(self, name):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return text(self._sign(subject, key)), private(key)

    def _sign(self, subject, key, *, is_authority=False):
        now = dt.datetime.now(dt.timezone.utc)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )


def text(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def private(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def tls_server(authority):
    """A Postgres that lets nobody in without TLS, and `certified` only with a certificate."""
    server = Postgres()
    folder = server._folder
    certificate, key = authority.issue("localhost")
    files = {"server.crt": certificate, "server.key": key, "ca.crt": text(authority.certificate)}
    for name, content in files.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
        server.own(folder / name)
    with psycopg.connect(
        host="127.0.0.1", port=server.config["port"], user="tester", dbname="postgres",
        autocommit=True,
    ) as connection:  # fmt: skip
        connection.execute("CREATE ROLE certified LOGIN SUPERUSER")
        for name, file in (("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key"),
                           ("ssl_ca_file", "ca.crt")):  # fmt: skip
            connection.execute(f"ALTER SYSTEM SET {name} = '{folder / file}'")
        try:
            connection.execute("ALTER SYSTEM SET ssl = on")
        except psycopg.Error as fault:
            server.close()
            pytest.skip(f"this Postgres was built without TLS: {fault}")
    (folder / "data/pg_hba.conf").write_text(
        "hostssl all certified 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 trust\n"
    )
    server.restart()
    yield {**server.config, "host": "localhost", "default_target_schema": "tls"}
    server.close()


def test_tls_with_the_authoritys_certificate(tls_server, authority, tmp_path):
    with pytest.raises(ConfigError, match="cannot connect"):
        load({**tls_server, "user": "certified"})
    secure = {**tls_server, "ssl_enable": True}
    given = text(authority.certificate)
    assert load({**secure, "ssl_certificate_authority": given}) == ['{"done":true}']
    (tmp_path / "ca.pem").write_text(given)
    in_file = {**secure, "ssl_certificate_authority": str(tmp_path / "ca.pem")}
    assert load(in_file) == ['{"done":true}']


def test_a_server_of_another_authority_is_refused(tls_server):
    other = text(Authority("somebody else").certificate)
    with pytest.raises(ConfigError, match="certificate verify failed"):
        load({**tls_server, "ssl_enable": True, "ssl_certificate_authority": other})


def test_a_certificate_of_ours(tls_server, authority):
    certificate, key = authority.issue("certified")
    config = {
        **tls_server,
        "user": "certified",
        "ssl_enable": True,
        "ssl_certificate_authority": text(authority.certificate),
        "ssl_client_certificate_enable": True,
        "ssl_client_certificate": certificate,
        "ssl_client_private_key": key,
    }
    assert load(config) == ['{"done":true}']
    with pytest.raises(ConfigError) as error:
        load({**config, "ssl_client_certificate_enable": False})
    assert key.splitlines()[1] not in str(error.value)


# --- ssh ------------------------------------------------------------------------------------


class SSHServer:
    """Takes one key, and connects where the client asks to."""

    def __init__(self, client_key):
        self.host_key = paramiko.RSAKey.generate(2048)
        self.forwarded = []
        self._client_key = client_key
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.host_key)
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=self._interface(transport))

    def _interface(self, transport):
        owner = self

        class Interface(paramiko.ServerInterface):
            def check_auth_publickey(self, username, key):
                is_ours = username == "tunneller" and key == owner._client_key
                return paramiko.AUTH_SUCCESSFUL if is_ours else paramiko.AUTH_FAILED

            def get_allowed_auths(self, username):
                return "publickey"

            def check_channel_direct_tcpip_request(self, chanid, origin, destination):
                owner.forwarded.append(destination)
                threading.Thread(
                    target=owner._forward, args=(transport, destination), daemon=True
                ).start()
                return paramiko.OPEN_SUCCEEDED

        return Interface()

    @staticmethod
    def _forward(transport, destination):
        channel = transport.accept(10)
        with socket.create_connection(destination) as there, contextlib.suppress(OSError):
            while channel is not None:
                for source in select.select([channel, there], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    (there if source is channel else channel).sendall(data)


def openssh(key, password=None):
    encryption = (
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption
    ).decode()


@pytest.fixture
def ssh():
    key = ed25519.Ed25519PrivateKey.generate()
    server = SSHServer(paramiko.Ed25519Key.from_private_key(_file(openssh(key))))
    settings = {
        "enable": True,
        "host": "127.0.0.1",
        "port": server.port,
        "username": "tunneller",
        "private_key": openssh(key),
        "host_key": f"{server.host_key.get_name()} {server.host_key.get_base64()}",
    }
    yield server, settings, key
    server.close()


def _file(content):
    from io import StringIO

    return StringIO(content)


def test_a_tunnel(postgres, ssh):
    server, settings, key = ssh
    config = {**postgres, "default_target_schema": "tunnelled", "ssh_tunnel": settings}
    assert load(config) == ['{"done":true}']
    assert server.forwarded == [("127.0.0.1", postgres["port"])]
    locked = {**settings, "private_key": openssh(key, "a pass phrase"),
              "private_key_password": "a pass phrase"}  # fmt: skip
    assert load({**config, "ssh_tunnel": locked}) == ['{"done":true}']


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host_key": ""}, "known_hosts"),
        ({"private_key": "no key at all"}, "private_key"),
        ({"username": "somebody else"}, "ssh_tunnel"),
        ({"port": 9}, "ssh_tunnel"),
    ],
)
def test_a_tunnel_that_cannot_be_trusted_or_opened(postgres, ssh, change, said):
    _, settings, _ = ssh
    config = {**postgres, "ssh_tunnel": {**settings, **change}}
    with pytest.raises(ConfigError) as error:
        load(config)
    assert "ssh" in str(error.value)
    assert said in str(error.value)


def test_another_server_than_the_known_one_is_refused(postgres, ssh):
    _, settings, _ = ssh
    stranger = paramiko.RSAKey.generate(2048)
    wrong = {**settings, "host_key": f"{stranger.get_name()} {stranger.get_base64()}"}
    with pytest.raises(ConfigError, match="ssh tunnel"):
        load({**postgres, "ssh_tunnel": wrong})
