"""The SDK's target suite, on a real server."""

import pytest
from headwater.testing.sdk import for_sdk
from singer_sdk.testing import get_target_test_class
from target_postgres.target import TargetPostgres

CONFIG: dict = {"default_target_schema": "sdk"}


@pytest.fixture(scope="module", autouse=True)
def _server(postgres):
    CONFIG.update(postgres)


TestSDK = get_target_test_class(for_sdk(TargetPostgres), config=CONFIG)
