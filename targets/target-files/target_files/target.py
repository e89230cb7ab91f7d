"""target-files, and its three presets."""

from __future__ import annotations

from typing import ClassVar

from headwater.loading import Loader
from headwater.settings import Setting, Settings
from headwater.target import Target

from target_files.loader import FilesLoader

COMPRESSIONS = ("none", "gzip", "zstd")


def _settings(preset: str, *more: Setting) -> Settings:
    return Settings(
        (
            Setting(
                "destination_path",
                description="The folder to write to: a path, or a URL such as "
                "`s3://bucket/folder` (extra `s3`), `gs://...` (extra `gcs`) or any of fsspec's.",
                default=".",
            ),
            Setting(
                "format",
                description="The files' format.",
                default=preset,
                enum=("jsonl", "csv", "parquet"),
            ),
            Setting(
                "compression",
                description="How files are compressed; `none` is snappy for Parquet.",
                default="none",
                enum=COMPRESSIONS,
            ),
            Setting(
                "file_naming_scheme",
                description="How files are named, from `{stream_name}`, `{datestamp}`, "
                "`{timestamp}`, `{number}` and `{format}`. By default "
                "`{stream_name}-{timestamp}-{number}.{format}`; a scheme without timestamp and "
                "number appends to one file (JSONL, CSV) or replaces it (Parquet).",
            ),
            Setting(
                "partition_by",
                "array",
                "Properties whose values name folders, as in Hive: `country=NL/`.",
                items={"type": "string"},
            ),
            Setting("max_file_rows", "integer", "Rows of a file, at most.", minimum=1),
            Setting("max_file_bytes", "integer", "Bytes of a file, about, at most.", minimum=1),
            Setting(
                "row_group_rows", "integer", "Rows of a Parquet row group.",
                default=100_000, minimum=1,
            ),
            Setting(
                "storage_options",
                "object",
                "What fsspec's file system takes: keys, an endpoint.",
                secret=True,
            ),
            *more,
        )
    )  # fmt: skip


class TargetFiles(Target):
    """Singer target for files: JSONL, CSV or Parquet."""

    name = "target-files"
    package_name = "headwater-target-files"
    own_settings: ClassVar[Settings] = _settings("jsonl")

    def make_loader(self) -> Loader:
        """Return what writes the files."""
        return FilesLoader(self.config)


class TargetJSONL(TargetFiles):
    """Singer target for JSONL files."""

    name = "target-jsonl"
    own_settings = _settings(
        "jsonl",
        Setting(
            "do_timestamp_file",
            "boolean",
            "Whether each run's files are new ones; false: one file a stream, appended to.",
            default=True,
        ),
        Setting("custom_name", description="The files' name instead of the stream's."),
    )


class TargetCSV(TargetFiles):
    """Singer target for CSV files."""

    name = "target-csv"
    own_settings = _settings(
        "csv",
        Setting("output_path", description="Another name of `destination_path`."),
    )


class TargetParquet(TargetFiles):
    """Singer target for Parquet files."""

    name = "target-parquet"
    own_settings = _settings(
        "parquet",
        Setting(
            "compression_method",
            description="Another name of `compression`.",
            enum=("gzip", "snappy", "zstd"),
        ),
        Setting(
            "streams_in_separate_folder",
            "boolean",
            "Whether each stream has a folder of its own.",
            default=False,
        ),
    )
