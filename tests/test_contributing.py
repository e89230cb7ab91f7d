"""The tap in CONTRIBUTING.md runs as it stands there."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from headwater.testing.output import last_state, records
from headwater.testing.server import Answer, Server

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "string"}, "updated": {"type": "integer"}, "customer_id": {"type": "string"},
    },
}  # fmt: skip
LISTS = {
    "/v1/customers": [{"id": f"c{n:03}", "updated": 1767225600 + n} for n in range(230)],
    "/v1/orders": [{"id": f"o{n:03}", "updated": 1767225600 + n} for n in range(10)],
}


def answer(asked):
    if asked.headers.get("authorization") != "Bearer shop-key":
        return Answer(401, {"message": "no such key"})
    items = LISTS.get(asked.path, [{"id": "card", "updated": 1}])
    since = int(asked.params.get("updated[gte]", 0))
    items = [item for item in items if item["updated"] >= since]
    after = asked.params.get("starting_after")
    start = next((n + 1 for n, item in enumerate(items) if item["id"] == after), 0)
    end = start + int(asked.params["limit"])
    return Answer(200, {"data": items[start:end], "has_more": end < len(items)})


@pytest.fixture
def tap_shop(monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names = {"__name__": "tap_shop"}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    monkeypatch.setattr(
        names["ShopStream"], "declared_schema", property(lambda _: SCHEMA), raising=False
    )
    return names["TapShop"]


def test_the_example_is_one_screen():
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(code.splitlines()) < 80


def test_the_example_syncs(tap_shop):
    with Server(answer) as server:
        config = {"api_key": "shop-key", "api_url": server.url}
        output = BytesIO()
        tap_shop(config=config, output=output).sync_all()
        assert records(output.getvalue()) == {"customers": 230, "orders": 10, "cards": 230}
        state = last_state(output.getvalue())
        again = BytesIO()
        tap_shop(config=config, state=state, output=again).sync_all()
    assert records(again.getvalue()) == {"customers": 1, "orders": 1, "cards": 1}
