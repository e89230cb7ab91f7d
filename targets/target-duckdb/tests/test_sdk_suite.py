"""The SDK's target suite."""

import tempfile

from headwater.testing.sdk import for_sdk
from singer_sdk.testing import get_target_test_class
from target_duckdb.target import TargetDuckDB

TestSDK = get_target_test_class(
    for_sdk(TargetDuckDB), config={"filepath": tempfile.mkdtemp() + "/sdk.duckdb"}
)
