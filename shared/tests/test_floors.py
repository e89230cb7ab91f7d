"""A lower floor of the library never imports a higher one; the two sides do not know each other."""

import ast
from pathlib import Path

import headwater
import pytest

HOME = Path(headwater.__file__).parent
FLOORS = (
    {"errors", "settings", "clock", "jsonpath", "parallel", "retry"},
    {"messages", "secrets"},
    {"http", "storage", "log"},
    {"auth", "pagination", "rate_limit", "schema"},
    {"streams", "loading", "plugin"},
    {"tap", "target"},
    {"testing"},
    {"cli"},
)
FLOOR_OF = {name: number for number, floor in enumerate(FLOORS) for name in floor}
TAP_SIDE, LOADING_SIDE = {"http", "auth", "pagination", "streams", "tap"}, {"loading", "target"}


def imports():
    """Yield each import inside the library: the importing part, the imported one, the place."""
    for file in HOME.rglob("*.py"):
        part = file.relative_to(HOME).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if name.startswith("headwater."):
                    yield part, name.split(".")[1], f"{file.relative_to(HOME)}:{node.lineno}"


IMPORTS = list(imports())


def test_every_part_has_a_floor():
    assert {part for part, _, _ in IMPORTS} <= FLOOR_OF.keys()
    assert len(IMPORTS) > 200


def test_no_floor_imports_a_higher_one():
    up = [f"{place}: {part} -> {other}" for part, other, place in IMPORTS
          if FLOOR_OF[other] > FLOOR_OF[part]]  # fmt: skip
    assert up == []


@pytest.mark.parametrize(("one", "other"), [(TAP_SIDE, LOADING_SIDE), (LOADING_SIDE, TAP_SIDE)])
def test_the_two_sides_do_not_know_each_other(one, other):
    across = [place for part, imported, place in IMPORTS if part in one and imported in other]
    assert across == []


def test_no_module_is_long():
    long = {str(f.relative_to(HOME)): n for f in HOME.rglob("*.py")
            if (n := len(f.read_text().splitlines())) > 480}  # fmt: skip
    assert long == {}
