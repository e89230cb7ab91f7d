"""The settings that every target has."""

from __future__ import annotations

from headwater.plugin.base import STREAM_MAP_SETTINGS
from headwater.settings import Setting, Settings

BATCH_ROWS = 100_000
BATCH_BYTES = 16 * 1024 * 1024
BATCH_SECONDS = 300

TARGET_SETTINGS = Settings(
    (
        Setting("add_record_metadata", "boolean", "Add `_sdc_*` columns.", default=True),
        Setting("activate_version", "boolean", "Obey ACTIVATE_VERSION messages.", default=True),
        Setting(
            "hard_delete",
            "boolean",
            "Delete the rows of an old version instead of setting `_sdc_deleted_at`.",
            default=False,
        ),
        Setting("validate_records", "boolean", "Check records against their schema.", default=True),
        Setting(
            "on_invalid",
            description="What to do with a record that does not fit its schema or that the "
            "destination refuses: `fail` the run, `skip` it (counted and logged), or "
            "`quarantine` it (with the reason, in `<stream>__quarantine`).",
            default="fail",
            enum=("fail", "skip", "quarantine"),
        ),
        Setting("batch_size_rows", "integer", "Rows of a batch.", default=BATCH_ROWS, minimum=1),
        Setting(
            "batch_size_bytes",
            "integer",
            "Bytes of a batch, as they come in.",
            default=BATCH_BYTES,
            minimum=1,
        ),
        Setting(
            "batch_wait_limit_seconds",
            "number",
            "Age at which a batch is loaded however small it is.",
            default=BATCH_SECONDS,
            minimum=0,
        ),
        Setting(
            "compare_ledger",
            "boolean",
            "Fail when our taps say they wrote more or fewer records than came in.",
            default=True,
        ),
    )
)
BUILTIN_SETTINGS = TARGET_SETTINGS + STREAM_MAP_SETTINGS

DATABASE_SETTINGS = Settings(
    (
        Setting(
            "load_method",
            description="`upsert`: a row for each key, the last record wins; `append-only`: a row "
            "for each record; `overwrite`: what this run brings replaces the table, at its end "
            "and only if it is complete.",
            default="upsert",
            enum=("upsert", "append-only", "overwrite"),
        ),
        Setting(
            "state_in_destination",
            "boolean",
            "Keep the state in table `_headwater_state`, committed with the rows; `--state` "
            "prints it.",
            default=False,
        ),
        Setting(
            "state_id",
            description="The name under which the state is kept there: one for each pipeline.",
            default="default",
        ),
    )
)
