"""Writes meltano.yml and catalog/*.yml from the plugins' own settings; --check compares."""

import sys
from pathlib import Path

import yaml

from docs import PLUGINS, ROOT, plugin

EXTRAS = {"tap-github": "[jwt]"}
GROUPS = {
    "tap-github": [
        ["repositories"], ["organizations"], ["searches"], ["user_usernames"], ["user_ids"],
    ],
    "tap-rest": [["api_url", "streams"]],
    "target-postgres": [["host", "port", "user", "password", "database"], ["sqlalchemy_url"]],
    "target-duckdb": [["filepath"]],
    "target-files": [["destination_path"]],
}  # fmt: skip
KINDS = {"integer": "integer", "number": "decimal", "boolean": "boolean", "array": "array",
         "object": "object", "string": "string"}  # fmt: skip


def entry(folder, cls):
    settings = []
    for setting in cls.settings():
        item = {
            "name": setting.name,
            "kind": KINDS[setting.type],
            "description": setting.description,
        }
        if setting.enum:
            item["kind"] = "options"
            item["options"] = [{"label": value, "value": value} for value in setting.enum]
        if setting.format == "date-time":
            item["kind"] = "date_iso8601"
        if setting.secret:
            item["sensitive"] = True
        if setting.default is not None:
            item["value"] = setting.default
        settings.append(item)
    known = ("catalog", "state", "discover", "about", "stream-maps", "schema-flattening", "batch",
             "structured-logging", "activate-version", "hard-delete")  # fmt: skip
    return {
        "name": cls.name,
        "namespace": cls.name.replace("-", "_"),
        "pip_url": f"-e shared{EXTRAS.get(cls.name, '')} -e {folder}",
        "executable": cls.name,
        "capabilities": [c for c in cls.capabilities if c in known],
        "settings_group_validation": GROUPS[cls.name],
        "settings": settings,
    }


def generated():
    extractors, loaders = [], []
    for folder, path in PLUGINS.items():
        cls = plugin(path)
        item = entry(folder, cls)
        (extractors if folder.startswith("taps") else loaders).append(item)
        hub = {**item, "label": cls.name, "description": cls.__doc__.strip(), "quality": "gold"}
        yield ROOT / "catalog" / f"{cls.name}.yml", hub
    project = {
        "default_environment": "dev",
        "environments": [{"name": "dev"}],
        "send_anonymous_usage_stats": False,
        "project_id": "headwater",
        "plugins": {"extractors": extractors, "loaders": loaders},
    }
    yield ROOT / "meltano.yml", project


def main():
    stale = False
    for path, value in generated():
        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
        if not path.exists() or path.read_text() != text:
            stale = True
            if "--check" in sys.argv:
                print(
                    f"{path.relative_to(ROOT)} is not up to date: run python {Path(__file__).name}"
                )
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
    return int(stale and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
