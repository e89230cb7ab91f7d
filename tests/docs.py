"""Writes the generated parts of the READMEs; with --check, fails where they are not up to date."""

import importlib
import re
import sys
from pathlib import Path

from headwater.plugin.about import settings_table
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


def generated():
    rows = ["| Plugin | What it does |", "|:--|:--|"]
    for folder, path in PLUGINS.items():
        cls = plugin(path)
        readme = ROOT / folder / "README.md"
        text = block(readme.read_text(), "settings", settings_table(cls.settings().jsonschema()))
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
