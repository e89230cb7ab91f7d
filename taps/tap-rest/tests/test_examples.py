"""The worked examples, each against a server that really paginates that way."""

import gzip
import io
import json
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import pytest
from headwater.plugin.base import read_document
from headwater.testing.output import last_state, messages
from headwater.testing.server import Answer, Server
from tap_rest.tap import TapREST

EXAMPLES = Path(__file__).parent.parent / "examples"
SECRETS = {
    "EXAMPLE_TOKEN": "the-token",
    "EXAMPLE_KEY": "the-key",
    "EXAMPLE_SECRET": "the-secret",
    "EXAMPLE_USER": "the-user",
    "EXAMPLE_PASSWORD": "the-password",
    "EXAMPLE_CLIENT": "the-client",
    "EXAMPLE_REFRESH_TOKEN": "the-first-refresh-token",
}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch, tmp_path):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def sync(example, server, state=None, **changes):
    """Run an example against a server; return what it wrote."""
    (file,) = EXAMPLES.glob(f"{example}-*.yml")
    text = file.read_text()
    text = text.replace("https://api.example.com", server.url)
    text = text.replace("https://auth.example.com", server.url)
    place = Path(file.name).with_suffix(".yml")
    config = {**read(text, place), **changes}
    output = BytesIO()
    TapREST(config=config, state=state, output=output).sync_all()
    return output.getvalue()


def read(text, name):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / name
        place.write_text(text)
        return read_document(place, "config")


def rows(output, stream):
    return [
        m["record"] for m in messages(output) if m["type"] == "RECORD" and m["stream"] == stream
    ]


def test_there_are_ten_at_least():
    assert len(list(EXAMPLES.glob("*.yml"))) >= 10


def test_01_page_number_total():
    orders = [
        {"id": n, "updated_at": f"2026-01-{1 + n // 20:02}T00:00:{n % 20:02}Z", "amount": n / 4}
        for n in range(170)
    ]

    def answer(asked):
        if asked.headers.get("authorization") != "Bearer the-token":
            return Answer(401)
        found = [o for o in orders if o["updated_at"] >= asked.params["updated_since"]]
        size, page = int(asked.params["per_page"]), int(asked.params["page"])
        part = found[(page - 1) * size : page * size]
        return Answer(200, {"orders": part, "meta": {"total": len(found)}})

    with Server(answer) as server:
        first = sync("01", server)
        assert [o["id"] for o in rows(first, "orders")] == list(range(170))
        orders[3]["updated_at"] = "2026-02-01T00:00:00Z"
        second = sync("01", server, state=last_state(first))
        # the bookmark is inclusive
        assert sorted(o["id"] for o in rows(second, "orders")) == [3, 169]


def test_02_offset_overlap_loses_nothing_when_records_move():
    tickets = [{"id": n, "subject": f"ticket {n}"} for n in range(230)]
    wanted = {t["id"] for t in tickets}

    def answer(asked):
        if asked.params.get("api_key") != "the-key":
            return Answer(401)
        start, size = int(asked.params["offset"]), int(asked.params["limit"])
        part = tickets[start : start + size]
        if start:  # what was before goes away while we read: all others move up
            del tickets[:3]
        return Answer(200, {"data": part})

    with Server(answer) as server:
        found = Counter(t["id"] for t in rows(sync("02", server), "tickets"))
    assert set(found) == wanted
    assert set(found.values()) == {1}
    assert not any("the-key" in str(asked.headers) for asked in server.asked)


def test_03_cursor_in_body_keeps_fields_that_the_schema_lacks():
    contacts = [{"id": str(n), "properties": {"n": n}, "archived": False} for n in range(250)]

    def answer(asked):
        start, size = int(asked.params.get("after", 0)), int(asked.params["limit"])
        end = start + size
        body = {"results": contacts[start:end]}
        if end < len(contacts):
            body["paging"] = {"next": {"after": str(end)}}
        left = 0 if start == 100 else 50
        return Answer(200, body, {"X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": "1"})

    with Server(answer) as server:
        found = rows(sync("03", server), "contacts")
    assert [c["id"] for c in found] == [str(n) for n in range(250)]
    assert found[0]["additional_fields"] == {"archived": False}


def test_04_last_id_newest_first():
    charges = [
        {"id": f"ch_{n:04}", "created": 1767225600 + n * 60, "amount": n, "metadata": {}}
        for n in range(350)
    ][::-1]

    limited = []

    def answer(asked):
        if not limited:
            limited.append(1)
            return Answer(429, {"error": {"code": "lock_timeout"}})
        found = [c for c in charges if c["created"] >= int(asked.params["created[gte]"])]
        after = asked.params.get("starting_after")
        start = next((i + 1 for i, c in enumerate(found) if c["id"] == after), 0)
        part = found[start : start + int(asked.params["limit"])]
        return Answer(200, {"data": part, "has_more": start + len(part) < len(found)})

    with Server(answer) as server:
        first = sync("04", server)
        assert len(rows(first, "charges")) == 350
        state = last_state(first)
        assert state["bookmarks"]["charges"]["replication_key_value"] == 1767225600 + 349 * 60
        charges.insert(0, {"id": "ch_9999", "created": 1767225600 + 400 * 60, "amount": 1})
        again = rows(sync("04", server, state=state), "charges")
        # ten minutes are looked back
        assert [c["id"] for c in again] == ["ch_9999", *(f"ch_{n:04}" for n in range(349, 338, -1))]


def test_05_link_header_with_etags():
    def answer(asked):
        if asked.path != "/repos/acme/rocket/releases":
            return Answer(404, {"message": "Not Found"})
        page, size = int(asked.params.get("page", 1)), int(asked.params["per_page"])
        part = [{"id": n, "tag": f"v{n}"} for n in range((page - 1) * size, min(page * size, 20))]
        if asked.headers.get("if-none-match") == '"one"':
            return Answer(304)
        return Answer(200, part, {"ETag": '"one"'})

    with Server(answer) as server:
        first = sync("05", server)
        found = rows(first, "releases")
        assert {(r["owner"], r["repo"], r["id"]) for r in found} == {
            ("acme", "rocket", n) for n in range(20)
        }
        again = sync("05", server, state=last_state(first))
        assert rows(again, "releases") == []
        assert server.asked[-2].headers["if-none-match"] == '"one"'


def test_06_next_url_behind_a_login_that_ends():
    logins, names = [], [f"Account {n}" for n in range(45)]

    def answer(asked):
        if asked.path == "/login":
            assert asked.json() == {"user": "the-user", "password": "the-password"}
            logins.append(1)
            return Answer(200, {"session": {"token": f"session-{len(logins)}", "seconds": 3600}})
        if asked.headers.get("x-session") != f"session-{len(logins)}" or (
            len(logins) == 1 and asked.path != "/query"
        ):
            return Answer(403, [{"errorCode": "INVALID_SESSION_ID"}])
        start = int(asked.path.rpartition("-")[2]) if "-" in asked.path else 0
        part = [{"Id": str(n), "Name": names[n]} for n in range(start, min(start + 20, 45))]
        body = {"records": part, "totalSize": 45, "done": start + 20 >= 45}
        if start + 20 < 45:
            body["nextRecordsUrl"] = f"/query/01g-{start + 20}"
        return Answer(200, body)

    with Server(answer) as server:
        assert [a["Id"] for a in rows(sync("06", server), "accounts")] == [
            str(n) for n in range(45)
        ]
    assert len(logins) == 2


def test_07_graphql():
    products = [
        {"id": str(n), "title": f"p{n}", "updatedAt": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z"}
        for n in range(95)
    ]

    def answer(asked):
        assert asked.headers["x-shop-token"] == "the-token"
        variables = asked.json()["variables"]
        found = [p for p in products if p["updatedAt"] >= (variables["since"] or "")]
        start = int(variables.get("after") or 0)
        end = start + variables["first"]
        connection = {
            "totalCount": len(found),
            "nodes": found[start:end],
            "pageInfo": {"hasNextPage": end < len(found), "endCursor": str(end)},
        }
        return Answer(200, {"data": {"products": connection}})

    with Server(answer) as server:
        first = sync("07", server)
        assert len(rows(first, "products")) == 95
        second = sync("07", server, state=last_state(first))
        assert [p["id"] for p in rows(second, "products")] == ["94"]


def zipped(lines):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, some in enumerate((lines[:3], lines[3:])):
            text = "\n".join(map(json.dumps, some)) + "\n"
            archive.writestr(f"{number}.json.gz", gzip.compress(text.encode()))
    return packed.getvalue()


def test_08_time_windows_of_zips():
    def answer(asked):
        start, end = asked.params["start"], asked.params["end"]
        if start.startswith("20260101T06"):
            return Answer(404, b"no data", {"Content-Type": "text/plain"})
        hours = range(int(start[-2:]), int(end[-2:]) + 1)
        lines = [
            {
                "uuid": f"{start[:8]}-{hour}",
                "event_type": "x",
                "server_upload_time": f"{start[:4]}-{start[4:6]}-{start[6:8]}T{hour:02}:00:00Z",
            }
            for hour in hours
        ]
        return Answer(200, zipped(lines), {"Content-Type": "application/zip"})

    with Server(answer) as server:
        found = [e["uuid"] for e in rows(sync("08", server), "events")]
    wanted = [f"2026010{d}-{h}" for d in (1, 2) for h in range(24) if (d, h // 6) != (1, 1)]
    assert found == wanted
    assert [a.params["start"] for a in server.asked][:2] == ["20260101T00", "20260101T06"]
    assert [a.params["end"] for a in server.asked][:2] == ["20260101T05", "20260101T11"]


def test_09_parent_child_with_oauth():
    def answer(asked):
        if asked.path == "/token":
            form = parse_qs(asked.body.decode())
            assert form["client_secret"] == ["the-secret"]
            assert form["scope"] == ["read"]
            return Answer(200, {"access_token": "oauth-token", "expires_in": 3600})
        if asked.headers.get("authorization") != "Bearer oauth-token":
            return Answer(401)
        page, size = int(asked.params["page"]), int(asked.params["per_page"])
        if asked.path == "/projects":
            return Answer(200, [{"id": n} for n in range((page - 1) * size, min(page * size, 45))])
        project = int(asked.path.split("/")[2])
        tasks = [{"id": n, "done": n % 2 == 0} for n in range(project)]
        part = tasks[(page - 1) * size : page * size]
        return Answer(200, {"tasks": part, "pages": max(1, -(-project // size))})

    with Server(answer) as server:
        output = sync("09", server)
    found = [(t["project_id"], t["id"]) for t in rows(output, "tasks")]
    assert found == [(p, n) for p in range(45) for n in range(p)]
    assert sum(asked.path == "/token" for asked in server.asked) == 1


def test_10_csv_change_detection():
    stock = {f"sku-{n}": str(n) for n in range(50)}

    def answer(_):
        text = "sku,stock\n" + "".join(f'"{k}",{v}\n' for k, v in stock.items())
        return Answer(200, gzip.compress(text.encode()), {"Content-Type": "text/csv"})

    with Server(answer) as server:
        first = sync("10", server)
        assert len(rows(first, "inventory")) == 50
        stock["sku-3"], stock["sku-new"] = "900", "1"
        del stock["sku-7"]
        second = sync("10", server, state=last_state(first))
        found = {r["sku"]: r for r in rows(second, "inventory")}
        assert set(found) == {"sku-3", "sku-new", "sku-7"}
        assert found["sku-3"]["stock"] == "900"
        assert found["sku-7"]["_sdc_deleted_at"]
        # the load of the second run failed: its state never came, all of it comes again
        third = sync("10", server, state=last_state(first))
        assert {r["sku"] for r in rows(third, "inventory")} == set(found)
        # it was loaded: nothing is left to say
        assert rows(sync("10", server, state=last_state(third)), "inventory") == []


def test_11_xml_by_post_with_a_rotating_refresh_token():
    bookings = [(n, f"guest <{n}>", f"2026-01-02T00:00:{n % 60:02}Z") for n in range(60)]
    tokens = {"current": "the-first-refresh-token", "count": 0}

    def answer(asked):
        if asked.path == "/token":
            form = {k: v[0] for k, v in parse_qs(asked.body.decode()).items()}
            if form["refresh_token"] != tokens["current"]:
                return Answer(400, {"error": "invalid_grant"})
            tokens["count"] += 1
            tokens["current"] = f"rotated-refresh-token-{tokens['count']}"
            token = {"access_token": f"access-token-{tokens['count']}", "expires_in": 3600}
            return Answer(200, {**token, "refresh_token": tokens["current"]})
        body = asked.json()
        page, size = body["page"], body["rows"]
        found = [b for b in bookings if b[2] >= body["filter"]["changed_after"]]
        items = "".join(
            f'<booking id="{n}"><guest>{escape(guest)}</guest><changed>{at}</changed></booking>'
            for n, guest, at in found[(page - 1) * size : page * size]
        )
        text = f'<bookings total="{len(found)}">{items}</bookings>'
        return Answer(200, text.encode(), {"Content-Type": "application/xml"})

    with Server(answer) as server:
        first = sync("11", server)
        found = rows(first, "bookings")
        assert [b["@id"] for b in found] == [str(n) for n in range(60)]
        assert found[5]["guest"] == "guest <5>"
        # the token in the config is dead by now; the rotated one was kept
        second = rows(sync("11", server, state=last_state(first)), "bookings")
        assert [b["@id"] for b in second] == ["59"]
    assert tokens["count"] == 2
