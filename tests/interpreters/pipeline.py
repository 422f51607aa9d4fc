"""The deployed pipeline whose functions, storage and database all interpreters share."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etl.aws.s3 import listed
from infrastructure.settings import DeploySettings
from local.stack import LocalStack
from telemetry.layout import outcomes_prefix, parse_outcome_key
from tests.chaos.rig import Rig
from tests.permissions.statements import CONTRACT
from workflow.definition import definition_json, resolve

__all__ = ["Pipeline", "Run"]

_PRELOAD = Path(__file__).with_name("preload.py")
TOLERATED_SHARE = 0.5
BATCH = re.compile(r"NAME-(d\d{4}-)?[0-9a-f]{6}-(?=\d{4}\.)")
"""Beginning of the name of a batch that Extract staged, with the id of its attempt."""
DAY = "2026/11/23"


@dataclass(frozen=True)
class Run:
    """One scenario in one interpreter, with names that no other run has."""

    scenario: str
    interpreter: str

    @property
    def name(self) -> str:
        """Name of the execution."""
        return f"{self.scenario}-{self.interpreter}"

    @property
    def device(self) -> str:
        """The device that its readings are of."""
        return f"{self.interpreter[0]}-{self.scenario}"[:16]

    @property
    def prefix(self) -> str:
        """Prefix of the raw objects that the scenario stages itself."""
        return f"raw/{DAY}/{self.name}/"

    def without_names(self, text: str) -> str:
        """A text as it would be in any other run."""
        text = text.replace(self.name, "NAME").replace(self.device, "DEVICE")
        return BATCH.sub(r"NAME-\1ID-", text)


class Pipeline(Rig):
    """The chaos suite's pipeline, with functions that fail as planned for an execution."""

    @property
    def plans(self) -> Path:
        """Folder of the plans."""
        return self.state / "plans"

    def plan(self, function: str, run: Run, words: list[str]) -> None:
        """Have these calls of a function fail, in this execution; see ``preload.py``."""
        folder = self.plans / function
        folder.mkdir(exist_ok=True)
        (folder / run.name).write_text(" ".join(words))

    def throttle(self, function: str, *, on: bool) -> None:
        """Have Lambda refuse every call of a function, or none."""
        client, name = self.client("lambda"), f"{self.target.stack}-{function}"
        if on:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        else:
            client.delete_function_concurrency(FunctionName=name)

    def stage(self, run: Run, batch: str, lines: list[bytes]) -> dict[str, Any]:
        """Put a raw object; returns its item of a manifest."""
        return self.stage_bytes(
            run, f"{batch}.n{len(lines)}", gzip.compress(b"\n".join(lines) + b"\n", mtime=0)
        )

    def stage_bytes(self, run: Run, name: str, body: bytes) -> dict[str, Any]:
        """As :meth:`stage`, of any content; the ledger knows a batch by its name."""
        key = f"{run.prefix}{run.name}-{name}.ndjson.gz"
        self.client("s3").put_object(Bucket=self.target.bucket, Key=key, Body=body)
        return {"key": key, "size": len(body), "purpose": "load"}

    def input_of(self, run: Run, items: list[dict[str, Any]], *, write: bool = True) -> Any:
        """Input of an execution over these batches; its manifest is written, or missing."""
        manifest = f"manifests/{run.name}.json"
        if write:
            body = json.dumps(items).encode()
            self.client("s3").put_object(Bucket=self.target.bucket, Key=manifest, Body=body)
        return {
            "bucket": self.target.bucket,
            "manifest": manifest,
            "batches": len(items),
            "concurrency": 2,
        }

    def rows(self, run: Run) -> list[str]:
        """The rows of the run's device, as text, in order."""
        query = "SELECT * FROM telemetry.chaos_readings WHERE device = %s ORDER BY ts"
        with closing(self.target.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(query, (run.device,))
            return [repr(row) for row in cursor.fetchall()]

    def outcomes(self, run: Run) -> list[str]:
        """How each batch ended, as its outcome in S3 says."""
        s3 = self.client("s3")
        keys = [o["Key"] for o in listed(s3, self.target.bucket, outcomes_prefix("raw/"))]
        parts = [p for key in keys if (p := parse_outcome_key(key)) and p.execution == run.name]
        return sorted(f"{p.raw_key.rpartition('/')[2]}: {p.status}" for p in parts)

    def definition(self) -> dict[str, Any]:
        """The definition as it is deployed: without placeholders."""
        machine = self.target.outputs["StateMachineArn"]
        found = self.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
        deployed: dict[str, Any] = json.loads(found["definition"])
        assert "${" not in json.dumps(deployed)
        assert set(resolve(definition_json(), {})["States"]) == set(deployed["States"])
        return deployed

    def _variables(self) -> dict[str, str]:
        preload = self.plans / "preload.py"
        self.plans.mkdir(parents=True)
        shutil.copyfile(_PRELOAD, preload)
        return {
            **super()._variables(),
            "EMULATOR_PRELOAD": str(preload),
            "SFN_WAIT_SCALE": "0.01",
        }

    def _deploy_settings(self, local: LocalStack) -> DeploySettings:
        """With gates that hold back a batch of rejects, and failures that are tolerated."""
        strict = self.state / "strict.toml"
        text = CONTRACT.read_text(encoding="utf-8")
        strict.write_text(text.replace("max_reject_share = 1.0", "max_reject_share = 0.95"))
        return replace(
            super()._deploy_settings(local),
            contract=strict,
            tolerated_failure_share=TOLERATED_SHARE,
        )
