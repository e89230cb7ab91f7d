"""Writes the generated parts of the READMEs; with --check, fails where they are not up to date."""

import importlib
import re
import sys
from pathlib import Path

from headwater.plugin.about import settings_table
from tap_rest import config_schema
from tap_rest.tap import TapREST
from type_matrix import as_markdown

ROOT = Path(__file__).parent.parent
PLUGINS = {
    "taps/tap-github": "tap_github.tap:TapGitHub",
    "taps/tap-rest": "tap_rest.tap:TapREST",
    "targets/target-postgres": "target_postgres.target:TargetPostgres",
    "targets/target-duckdb": "target_duckdb.target:TargetDuckDB",
    "targets/target-files": "target_files.target:TargetFiles",
}


def plugin(path):
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def block(text, name, content):
    pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
    return re.sub(pattern, lambda m: m[1] + content + "\n" + m[2], text, flags=re.DOTALL)


def options(properties, required=()):
    """Return a table of options with what their schemas say."""
    rows = ["| Option | What |", "|:--|:--|"]
    for name, schema in properties.items():
        kinds = schema.get("type", "")
        kind = " or ".join(k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null")
        if "enum" in schema:
            kind = ", ".join(f"`{value}`" for value in schema["enum"])
        what = ". ".join(filter(None, [schema.get("description", "").rstrip("."), kind]))
        rows.append(f"| {name}{' (required)' if name in required else ''} | {what} |")
    return "\n".join(rows)


def kinds(schema):
    """Return a table for each kind of a choice."""
    parts = []
    for rule in schema["allOf"]:
        kind = rule["if"]["properties"]["type"]["const"]
        properties = {n: s for n, s in rule["then"]["properties"].items() if n != "type"}
        table = options(properties, rule["then"]["required"]) if properties else "No options."
        parts.append(f"`type: {kind}`\n\n{table}")
    return "\n\n".join(parts)


def declarations():
    """Yield the generated parts of tap-rest's README."""
    own = {n: s for n, s in config_schema.STREAM["properties"].items()
           if n not in config_schema.WIDEN_STREAM_PROPERTIES}  # fmt: skip
    yield "stream options", options(own, ["name", "path"])
    yield "pagination", kinds(config_schema.pagination_schema())
    yield "auth", kinds(config_schema.AUTH)
    yield "errors", options(config_schema.ERROR["properties"], config_schema.ERROR["required"])
    yield "retry", options(config_schema.RETRY)
    yield "budget", options(
        {
            **{f"windows[].{n}": s
               for n, s in config_schema.BUDGET["windows"]["items"]["properties"].items()},
            **{f"headers.{n}": s for n, s in config_schema.BUDGET_HEADERS.items()},
        }
    )  # fmt: skip
    files = sorted((ROOT / "taps/tap-rest/examples").glob("*.yml"))
    rows = []
    for file in files:
        said = []
        for line in file.read_text().splitlines():
            if not line.startswith("#"):
                break
            said.append(line.lstrip("# "))
        rows.append(f"- [{file.stem}](examples/{file.name}): {' '.join(said)}")
    yield "examples", "\n".join(rows)


def generated():
    rows = ["| Plugin | What it does |", "|:--|:--|"]
    for folder, path in PLUGINS.items():
        cls = plugin(path)
        readme = ROOT / folder / "README.md"
        is_nested = cls is not TapREST
        table = settings_table(cls.settings().jsonschema(), is_nested=is_nested)
        text = block(readme.read_text(), "settings", table)
        if cls is TapREST:
            for name, content in declarations():
                text = block(text, name, content)
        streams = getattr(cls, "stream_types", ())
        if streams:
            table = ["| Stream | Keys | Replication key | What |", "|:--|:--|:--|:--|"]
            table += [
                "| "
                + " | ".join(
                    [s.name, ", ".join(s.primary_keys), s.replication_key or "", s.description]
                )
                + " |"
                for s in streams
            ]
            text = block(text, "streams", "\n".join(table))
        yield readme, text
        rows.append(f"| [{cls.name}]({folder}) | {cls.__doc__.strip()} |")
    yield ROOT / "docs/types.md", as_markdown()
    root = ROOT / "README.md"
    yield root, block(root.read_text(), "plugins", "\n".join(rows))


def main():
    stale = [
        (path, text) for path, text in generated() if not path.exists() or path.read_text() != text
    ]
    for path, text in stale:
        if "--check" in sys.argv:
            print(f"{path.relative_to(ROOT)} is not up to date: run python tests/docs.py")
        else:
            path.write_text(text)
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
