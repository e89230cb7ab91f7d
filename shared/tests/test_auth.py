"""Authenticators over real sockets: renewed before they end, once for all, kept when rotated."""

import base64
import contextlib
import fcntl
import json
import os
import shutil
import socket
import stat
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from headwater.auth import (
    APIKey,
    Basic,
    Bearer,
    ClientCredentials,
    Endpoint,
    ExpiringToken,
    Headers,
    JWTBearer,
    Password,
    Pool,
    RefreshToken,
    Reloading,
    SessionLogin,
    Token,
    TokenStore,
)
from headwater.errors import AuthError, ConfigError
from headwater.http import Client, ErrorTable, Request
from headwater.rate_limit import HeaderBudget
from headwater.retry import RetryPolicy
from headwater.secrets.redaction import REDACTOR
from headwater.testing.server import Answer, Server

POLICY = RetryPolicy(attempts=2, first_wait=0.01)
ADVICE = ErrorTable(login_advice="Check setting 'api_token'.")


def client(auth, **more):
    return Client(retry=POLICY, auth=auth, **more)


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("auth", "header", "value", "params"),
    [
        (Bearer("bearer-token"), "authorization", "Bearer bearer-token", {}),
        (Basic("user", "pass:word"), "authorization", basic("user:pass:word"), {}),
        (APIKey("key-value", header="X-Key"), "x-key", "key-value", {}),
        (APIKey("key-value", param="key"), "accept", "*/*", {"key": "key-value"}),
        (Headers({"X-One": "1111", "X-Two": "2222"}), "x-two", "2222", {}),
    ],
)
def test_credentials_that_stay(auth, header, value, params):
    with Server(lambda _: Answer(200, {})) as server:
        client(auth).send(Request(server.url + "/x", params={"a": "1"}))
        (asked,) = server.asked
    assert asked.headers[header] == value
    assert asked.params == {"a": "1", **params}


def test_a_key_in_the_query_replaces_one_that_a_next_url_brought_along():
    with Server(lambda _: Answer(200, {})) as server:
        client(APIKey("fresh-key", param="key")).send(Request(server.url + "/x?key=stale&a=1"))
        assert server.asked[0].params == {"key": "fresh-key", "a": "1"}


class AuthorizationServer:
    """Hands out tokens by the grants of RFC 6749 and RFC 7523, and an API that takes them."""

    def __init__(self, lifetime=3600, *, rotates=False):
        self.lifetime = lifetime
        self.rotates = rotates
        self.refresh_token = "refresh-token-0"
        self.given = 0
        self.forms = []
        self.valid = set()
        self.refuse = None
        self.server = Server(self.answer)
        self.url = self.server.url

    def answer(self, asked):
        if asked.path == "/token":
            return self.token(asked)
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.valid:
            return Answer(401, {"message": "not valid"})
        return Answer(200, {"token": token})

    def token(self, asked):
        form = {k: v[0] for k, v in parse_qs(asked.body.decode()).items()}
        self.forms.append({**form, "header": asked.headers.get("authorization")})
        if self.refuse:
            return Answer(400, self.refuse)
        if form["grant_type"] == "refresh_token" and form["refresh_token"] != self.refresh_token:
            return Answer(400, {"error": "invalid_grant", "error_description": "unknown token"})
        time.sleep(0.05)
        self.given += 1
        token = f"access-token-{self.given}"
        self.valid = {token}
        body = {"access_token": token, "expires_in": self.lifetime}
        if self.rotates:
            self.refresh_token = f"refresh-token-{self.given}"
            body["refresh_token"] = self.refresh_token
        return Answer(200, body)


@pytest.fixture
def authorization():
    servers = []

    def start(**options):
        servers.append(AuthorizationServer(**options))
        return servers[-1]

    yield start
    for server in servers:
        server.server.close()


def endpoint(server, **more):
    return Endpoint(f"{server.url}/token", "the-client", "the-client-secret", **more)


def ask(sender, server, path="/x"):
    return sender.send(Request(f"{server.url}{path}", stream="items")).value()


def test_client_credentials_in_form_or_header(authorization):
    server = authorization()
    for in_header in (False, True):
        auth = ExpiringToken(ClientCredentials(endpoint(
            server, in_header=in_header, scope="read", extra={"audience": "api"}
        )))  # fmt: skip
        assert ask(client(auth), server)["token"].startswith("access-token")
    in_form, in_head = server.forms
    assert in_form["client_secret"] == "the-client-secret"
    assert in_form["scope"] == "read"
    assert in_form["audience"] == "api"
    assert in_head["header"] == basic("the-client:the-client-secret")
    assert "client_secret" not in in_head


def test_a_password_grant(authorization):
    server = authorization()
    ask(client(ExpiringToken(Password(endpoint(server), "user", "pass-word"))), server)
    assert server.forms[0]["grant_type"] == "password"
    assert server.forms[0]["username"] == "user"


def test_a_jwt_that_our_key_signed(authorization):
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()  # fmt: skip
    server = authorization()
    how = JWTBearer(endpoint(server), pem, issuer="me", subject="user@example.com")
    ask(client(ExpiringToken(how)), server)
    form = server.forms[0]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(
        form["assertion"], key.public_key(), algorithms=["RS256"], audience=f"{server.url}/token"
    )
    assert claims["sub"] == "user@example.com"
    assert claims["exp"] - claims["iat"] <= 600
    with pytest.raises(ConfigError, match="private_key"):
        JWTBearer(endpoint(server), "no key", issuer="me")()


def test_a_token_is_renewed_before_it_ends():
    now = [datetime(2026, 1, 1, tzinfo=timezone.utc)]
    fetched = []

    class FixedClock:
        def now(self):
            return now[0]

    def fetch():
        fetched.append(now[0])
        return Token(f"token-{len(fetched)}", now[0] + timedelta(hours=1))

    auth = ExpiringToken(fetch, clock=FixedClock())
    with Server(lambda asked: Answer(200, {"got": asked.headers["authorization"]})) as server:
        sender = client(auth)
        for minutes, wanted in ((0, 1), (54, 1), (56, 2), (56 + 54, 2), (56 + 56, 3)):
            now[0] = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minutes)
            answer = sender.send(Request(server.url + "/x")).value()
            assert answer == {"got": f"Bearer token-{wanted}"}, minutes


def test_a_short_lived_token_is_not_renewed_at_every_request(authorization):
    server = authorization(lifetime=100)  # less than the margin of 300 seconds
    sender = client(ExpiringToken(ClientCredentials(endpoint(server))))
    for _ in range(5):
        ask(sender, server)
    assert server.given == 1


def test_one_refresh_serves_ten_threads(authorization):
    server = authorization()
    sender = client(ExpiringToken(ClientCredentials(endpoint(server))))
    ask(sender, server)
    server.valid = set()  # all at once find that the token is refused
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(ask(sender, server))) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"token": "access-token-2"}] * 10
    assert server.given == 2


def test_a_401_is_tried_again_once_and_then_names_the_setting():
    with Server(lambda _: Answer(401, {"message": "no"})) as server:
        fetched = []

        def fetch():
            fetched.append(1)
            return Token(f"token-{len(fetched)}")

        with pytest.raises(AuthError, match="'api_token'") as error:
            client(ExpiringToken(fetch), errors=ADVICE).send(Request(server.url, stream="items"))
        assert len(server.asked) == 2
        assert len(fetched) == 2
        assert error.value.stream == "items"
        with pytest.raises(AuthError, match="'api_token'"):
            client(Bearer("some-token"), errors=ADVICE).send(Request(server.url))
        assert len(server.asked) == 3  # what cannot be renewed is not tried again


def test_a_session_is_used_again_and_renewed():
    logins = []

    def answer(asked):
        if asked.path == "/login":
            logins.append(asked.json())
            return Answer(200, {"s": {"id": f"session-{len(logins)}", "ttl": 3600}})
        is_valid = asked.headers.get("x-session") == f"session-{len(logins)}"
        if asked.path == "/ends":
            is_valid = len(logins) > 1
        return Answer(200 if is_valid else 401, {})

    with Server(answer) as server:
        login = Request(f"{server.url}/login", method="POST", json={"user": "u"})
        how = SessionLogin(Client(retry=POLICY), login, token="s.id", expires_in="s.ttl")
        sender = client(ExpiringToken(how, header="X-Session", form="{token}"))
        for path in ("/a", "/b", "/ends", "/c"):
            sender.send(Request(server.url + path))
    assert len(logins) == 2


def test_a_login_without_a_token_says_where_it_was_looked_for():
    with Server(lambda _: Answer(200, {"other": 1})) as server:
        login = Request(f"{server.url}/login", method="POST")
        how = SessionLogin(Client(retry=POLICY), login, token="session.id")
        with pytest.raises(AuthError, match=r"session\.id"):
            how()


# --- rotation ----------------------------------------------------------------------------


def test_a_rotated_token_is_saved_at_once_and_wins_over_the_config(authorization, tmp_path):
    server = authorization(rotates=True)

    def run():
        store = TokenStore("tap-x", "the-client", tmp_path)
        return ask(client(ExpiringToken(
            RefreshToken(endpoint(server), "refresh-token-0", store))), server)  # fmt: skip

    assert run() == {"token": "access-token-1"}
    assert run() == {"token": "access-token-2"}
    assert [f["refresh_token"] for f in server.forms] == ["refresh-token-0", "refresh-token-1"]
    (kept,) = tmp_path.glob("*.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["refresh_token"] == "refresh-token-2"
    assert not list(tmp_path.glob("*.partial"))


def test_a_token_that_the_user_configured_anew_wins_over_the_kept_one(authorization, tmp_path):
    server = authorization(rotates=True)
    store = TokenStore("tap-x", "the-client", tmp_path)
    RefreshToken(endpoint(server), "refresh-token-0", store)()
    server.refresh_token = "authorized-again"
    RefreshToken(endpoint(server), "authorized-again", store)()
    assert server.forms[-1]["refresh_token"] == "authorized-again"


def test_connections_of_one_tap_do_not_mix(tmp_path):
    with TokenStore("tap-x", "one", tmp_path).locked() as kept:
        kept.save("first", "rotated")
    with TokenStore("tap-x", "two", tmp_path).locked() as kept:
        assert kept.refresh_token_for("first") == "first"


def test_tokens_are_kept_in_the_users_folder_for_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with TokenStore("tap-x", "one").locked() as kept:
        kept.save("first", "rotated")
    assert list((tmp_path / "headwater/tokens").glob("tap-x-*.json"))


def test_two_processes_do_not_use_one_refresh_token_at_once(authorization, tmp_path):
    server = authorization(rotates=True)
    script = (
        "import sys\n"
        "from headwater.auth import Endpoint, RefreshToken, TokenStore\n"
        "url, folder = sys.argv[1:]\n"
        "endpoint = Endpoint(url + '/token', 'the-client', 'the-client-secret')\n"
        "store = TokenStore('tap-x', 'the-client', folder)\n"
        "print(RefreshToken(endpoint, 'refresh-token-0', store)().value)\n"
    )
    import sys

    runs = [
        subprocess.Popen([sys.executable, "-c", script, server.url, tmp_path],
                         stdout=subprocess.PIPE)
        for _ in range(4)
    ]  # fmt: skip
    found = {run.communicate()[0].decode().strip() for run in runs}
    assert found == {f"access-token-{n}" for n in range(1, 5)}


def test_an_idle_token_says_how_to_get_a_new_one(authorization, tmp_path):
    server = authorization()
    how = RefreshToken(endpoint(server), "too-old-token", TokenStore("tap-x", "c", tmp_path))
    with pytest.raises(AuthError) as error:
        how()
    text = str(error.value)
    assert "invalid_grant" in text
    assert "has not been used" in text
    assert "'refresh_token'" in text
    assert "Authorize the connection again" in text
    assert "too-old-token" not in text


def test_a_wrong_client_is_another_error(authorization, tmp_path):
    server = authorization()
    server.refuse = {"error": "invalid_client"}
    with pytest.raises(AuthError, match="'client_id' and 'client_secret'"):
        ClientCredentials(endpoint(server))()


def test_a_store_that_cannot_be_written_is_no_place_for_tokens(authorization, tmp_path):
    (tmp_path / "file").write_text("")
    how = RefreshToken(
        endpoint(authorization()), "x", TokenStore("tap-x", "c", tmp_path / "file" / "below")
    )
    with pytest.raises(ConfigError, match="token_store"):
        how()


# --- several credentials, and secrets that change ------------------------------------------


def test_a_pool_takes_the_next_credential_where_one_is_used_up():
    left = {"Bearer token-one": 2, "Bearer token-two": 5}

    def answer(asked):
        used = asked.headers["authorization"]
        left[used] -= 1
        return Answer(200, {"used": used}, {"X-Left": str(left[used]), "X-Reset": "9999999999"})

    pool = Pool.of(
        [Bearer("token-one"), Bearer("token-two")],
        lambda: HeaderBudget(remaining="X-Left", reset="X-Reset"),
    )
    with Server(answer) as server:
        used = [client(pool).send(Request(server.url)).value()["used"] for _ in range(5)]
    assert used == ["Bearer token-one"] * 2 + ["Bearer token-two"] * 3


def test_secrets_are_read_again_once_after_a_401():
    read = []

    def reload():
        read.append(1)
        return Bearer("rotated-key") if len(read) == 1 else None

    def answer(asked):
        return Answer(200 if asked.headers["authorization"] == "Bearer rotated-key" else 401, {})

    with Server(answer) as server:
        sender = client(Reloading(Bearer("old-key"), reload))
        sender.send(Request(server.url))
        sender.send(Request(server.url))
    assert len(read) == 1


# --- a real authorization server ------------------------------------------------------------

NODE = """
const { OAuth2Server } = require('oauth2-mock-server');
(async () => {
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  let count = 0;
  server.service.on('beforeResponse', (response, request) => {
    if (request.body.refresh_token === 'idle-token') {
      response.body = { error: 'invalid_grant', error_description: 'expired' };
      response.statusCode = 400;
      return;
    }
    response.body.expires_in = Number(process.argv[2]);
    if (request.body.grant_type === 'refresh_token') {
      count += 1;
      response.body.refresh_token = 'rotated-by-node-' + count;
    }
  });
  await server.start(Number(process.argv[1]), '127.0.0.1');
  console.log(server.issuer.url);
})();
"""


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory):
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("node is not on this machine")
    folder = Path(__file__).parents[2] / ".tools" / "node"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not (folder / "node_modules/oauth2-mock-server").exists():
            done = subprocess.run(
                [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder,
                 "oauth2-mock-server@8"],
                capture_output=True, text=True,
            )  # fmt: skip
            if done.returncode:
                pytest.skip(f"oauth2-mock-server cannot be installed: {done.stderr[-200:]}")
    return folder / "node_modules"


@pytest.fixture
def node_server(node_modules):
    processes = []

    def start(lifetime):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            ["node", "-e", NODE, str(port), str(lifetime)], stdout=subprocess.PIPE,
            env={**os.environ, "NODE_PATH": str(node_modules)},
        )  # fmt: skip
        processes.append(process)
        process.stdout.readline()
        return f"http://127.0.0.1:{port}"

    yield start
    for process in processes:
        process.kill()
        with contextlib.suppress(OSError):
            process.wait(5)


def test_against_oauth2_mock_server(node_server, tmp_path):
    url = node_server(3600)
    credentials = ClientCredentials(Endpoint(f"{url}/token", "the-client", "the-secret"))
    token = credentials()
    assert token.value.count(".") == 2  # a signed JWT
    assert token.expires_at > datetime.now(timezone.utc) + timedelta(minutes=50)
    store = TokenStore("tap-x", "the-client", tmp_path)
    how = RefreshToken(Endpoint(f"{url}/token", "the-client", "the-secret"), "first-token", store)
    how()
    how()
    with store.locked() as kept:
        assert kept.refresh_token_for("first-token") == "rotated-by-node-2"
    idle = RefreshToken(
        Endpoint(f"{url}/token", "another-client"), "idle-token",
        TokenStore("tap-x", "another-client", tmp_path),
    )  # fmt: skip
    with pytest.raises(AuthError, match="has not been used for a while"):
        idle()


def test_a_token_of_oauth2_mock_server_is_renewed_before_it_ends(node_server):
    url = node_server(2)
    seen = set()

    def answer(asked):
        token = asked.headers["authorization"].removeprefix("Bearer ")
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        seen.add(token)
        return Answer(200, {"iat": claims["iat"]})

    with Server(answer) as server:
        auth = ExpiringToken(ClientCredentials(Endpoint(f"{url}/token", "c", "s-secret")))
        sender = client(auth)
        ends = time.monotonic() + 3.5
        while time.monotonic() < ends:
            sender.send(Request(server.url))
            time.sleep(0.1)
    assert 3 <= len(seen) <= 5


def test_tokens_are_masked_everywhere():
    Bearer("canary-bearer-token")
    Basic("user", "canary-password")
    text = "canary-bearer-token and canary-password and " + basic("user:canary-password")
    assert "canary" not in REDACTOR.redact(text)
    assert basic("user:canary-password").split()[1] not in REDACTOR.redact(text)
