"""The SDK's target suite."""

import tempfile

from headwater.testing.sdk import for_sdk
from singer_sdk.testing import get_target_test_class
from target_files.target import TargetJSONL

TestSDK = get_target_test_class(
    for_sdk(TargetJSONL), config={"destination_path": tempfile.mkdtemp()}
)
