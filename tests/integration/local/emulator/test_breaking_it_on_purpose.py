"""What tests that break things need of the emulator: a way into its functions, and a snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3

from local.emulator.launcher import Emulator, EmulatorEndpoint
from tests.integration.local.emulator.conftest import ROLE, RUNTIME, zipped

SOURCE = "import emulator_preload\ndef handle(event, context):\n    return emulator_preload.FOUND\n"


def client(endpoint: EmulatorEndpoint, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint.endpoint_url,
        region_name=endpoint.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_session_token=endpoint.session_token,
    )


def test_a_preload_runs_first_and_a_snapshot_keeps_messages_objects_and_functions(
    tmp_path: Path,
) -> None:
    preload = tmp_path / "preload.py"
    preload.write_text("import sys\nFOUND = 'module' not in sys.modules\n")
    kept = {"S3_PERSIST": "1", "S3_DATA_DIR": str(tmp_path / "s3"), "PERSIST_STATE": "1"}
    emulator = Emulator(
        tmp_path / "emulator",
        xray_port=9,
        variables={"EMULATOR_PRELOAD": str(preload), **kept},
    )
    try:
        first = emulator.start()
        client(first, "lambda").create_function(
            FunctionName="f",
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="module.handle",
            Code={"ZipFile": zipped({"module.py": SOURCE})},
            Timeout=120,
        )
        queue = client(first, "sqs").create_queue(QueueName="q")["QueueUrl"]
        client(first, "sqs").send_message(QueueUrl=queue, MessageBody="kept")
        client(first, "s3").create_bucket(Bucket="bucket")
        client(first, "s3").put_object(Bucket="bucket", Key="k", Body=b"kept too")
        emulator.stop()
        second = emulator.start()
        assert second == first
        answer = client(second, "lambda").invoke(FunctionName="f")["Payload"].read()
        assert json.loads(answer) is True
        received = client(second, "sqs").receive_message(QueueUrl=queue)
        assert [message["Body"] for message in received["Messages"]] == ["kept"]
        found = client(second, "s3").get_object(Bucket="bucket", Key="k")["Body"].read()
        assert found == b"kept too"
    finally:
        emulator.stop()
