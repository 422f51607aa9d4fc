"""Whoever reads or publishes may read every contract in force, and the zone of each."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from etl.doctor.policy import doctor_policy
from etl.operations.permissions import operator_policy

STACK = ("telemetry", "123456789012", "eu-west-1")
CONTRACT = "contract/further/status/contract.toml"
CLEAN = "clean/status/staged_on=2026-11-23/b.parquet"
RAW = "raw/2026/11/23/run/b.status.n1.ndjson.gz"
RECEIPT = "receipts/20261123T000000-publish-status.json"


def may(policy: dict[str, object], action: str, key: str) -> bool:
    arn = f"arn:aws:s3:::telemetry-databucket-1/{key}"
    statements: list[dict[str, list[str]]] = policy["Statement"]  # type: ignore[assignment]
    return any(
        action in one["Action"] and any(fnmatchcase(arn, pattern) for pattern in one["Resource"])
        for one in statements
    )


@pytest.mark.parametrize("who", ["reader", "repairer", "eraser"])
@pytest.mark.parametrize("key", [CONTRACT, CLEAN, RAW, RECEIPT])
def test_an_operator_reads_them(who: str, key: str) -> None:
    assert may(operator_policy(who, *STACK), "s3:GetObject", key)  # type: ignore[arg-type]


def test_a_publisher_reads_contracts_and_writes_receipts_of_each() -> None:
    policy = operator_policy("publisher", *STACK)
    assert may(policy, "s3:GetObject", CONTRACT)
    assert may(policy, "s3:PutObject", RECEIPT)
    assert not may(policy, "s3:GetObject", CLEAN)


def test_an_eraser_rewrites_what_holds_readings_of_each() -> None:
    policy = operator_policy("eraser", *STACK)
    assert all(may(policy, "s3:PutObject", key) for key in (CLEAN, RAW, RECEIPT))
    assert not may(policy, "s3:PutObject", CONTRACT)


def test_the_doctor_reads_contracts_and_writes_receipts_of_each() -> None:
    policy = doctor_policy(*STACK)
    assert may(policy, "s3:GetObject", CONTRACT)
    assert may(policy, "s3:PutObject", RECEIPT)
