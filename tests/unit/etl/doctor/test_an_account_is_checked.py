"""Credentials, region and quotas: what passes, what fails, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import NoCredentialsError

from etl.doctor.account import check_credentials, check_quotas, check_region
from etl.doctor.check_result import CheckResult, any_failed
from etl.doctor.deployment import check_settings
from etl.doctor.examination import Examination, Section, run_sections
from etl.doctor.sections import examine
from telemetry.errors import UserError
from tests.unit.etl.doctor.stubbed import ACCOUNT, CALLER, Account, account

LAMBDA = {"TotalCodeSize": 1, "CodeSizeUnzipped": 1, "CodeSizeZipped": 1}


def quotas(aws: Account, concurrency: int, publishes: float) -> None:
    limits = {"ConcurrentExecutions": concurrency, "UnreservedConcurrentExecutions": concurrency}
    aws.answers("lambda", "get_account_settings", {"AccountLimit": {**LAMBDA, **limits}})
    name = "Inbound publish requests per second per account"
    for service, listed in (("iotcore", [{"QuotaName": name, "Value": publishes}]), ("sqs", [])):
        aws.answers(
            "service-quotas", "list_service_quotas", {"Quotas": listed}, {"ServiceCode": service}
        )


def test_the_caller_is_named() -> None:
    with account() as aws:
        [found] = check_credentials(aws.examination())
    assert (found.status, found.finding) == ("pass", f"{CALLER}, account {ACCOUNT}")


def test_the_root_user_fails() -> None:
    with account() as aws:
        examination = aws.examination()
        examination.__dict__["caller"] = f"arn:aws:iam::{ACCOUNT}:root"
        [found] = check_credentials(examination)
    assert found.status == "fail"
    assert "deploy as a role" in found.remedy


def test_without_credentials_nothing_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_credentials(_: object) -> str:
        raise NoCredentialsError

    with account() as aws:
        examination = aws.examination()
        del examination.__dict__["caller"]
        del examination.__dict__["account"]
        sts = aws.stub("sts").client
        monkeypatch.setattr(sts, "get_caller_identity", lambda: no_credentials(None))
        [found] = examine(examination)
    assert found.status == "fail"
    assert found.finding.startswith("There are no AWS credentials")


def test_credentials_of_another_partition_fail() -> None:
    with account() as aws:
        examination = aws.examination()
        examination.__dict__["caller"] = CALLER.replace("arn:aws:", "arn:aws-cn:")
        [found] = check_region(examination)
    assert found.status == "fail"
    assert "eu-central-1 is in partition aws, but these credentials are of aws-cn" in found.finding


def test_the_region_passes_even_where_the_settings_fail() -> None:
    def broken() -> tuple:
        raise UserError("the settings are wrong")

    with account() as aws:
        [found] = check_region(aws.examination(load_settings=broken))
    assert found.status == "pass"


def test_the_concurrency_of_a_new_account_fails() -> None:
    with account() as aws:
        quotas(aws, concurrency=10, publishes=20_000)
        concurrency, publishes, flight = check_quotas(aws.examination())
    assert concurrency.status == "fail"
    assert "runs 10 functions at once; these settings use 19" in concurrency.finding
    assert publishes.status == "pass"
    assert flight.status == "not checked"


def test_enough_of_everything_passes_and_a_low_rate_is_told() -> None:
    with account() as aws:
        quotas(aws, concurrency=1000, publishes=100)
        concurrency, publishes, _ = check_quotas(aws.examination())
    assert concurrency.status == "pass"
    assert publishes.finding == "100 messages/s, less than the usual 20,000"
    assert "request a higher quota" in publishes.remedy


def test_what_may_not_be_read_is_not_checked_and_says_what_to_allow() -> None:
    with account() as aws:
        aws.refuses("lambda", "get_account_settings", "AccessDeniedException")
        [found] = run_sections(aws.examination(), (Section("quotas", check_quotas),))
    assert (found.name, found.status) == ("quotas", "not checked")
    assert found.finding == "you may not call GetAccountSettings"
    assert "etl settings policy doctor" in found.remedy
    assert not any_failed([found])


def test_settings_that_can_not_be_deployed_fail_once() -> None:
    def broken() -> tuple:
        raise UserError("database.ca_file: a.pem can't be read")

    sections = (Section("settings", check_settings), Section("quotas", check_quotas))
    with account() as aws:
        first, second = run_sections(aws.examination(load_settings=broken), sections)
    assert (first.status, first.finding) == ("fail", "database.ca_file: a.pem can't be read")
    assert (second.name, second.status) == ("quotas", "not checked")


def raising(error: Exception) -> Callable[[Examination], Iterator[CheckResult]]:
    def check(_: Examination) -> Iterator[CheckResult]:
        yield from ()
        raise error

    return check


def test_an_expected_failure_is_a_line_and_the_next_check_goes_on() -> None:
    sections = (
        Section("settings", raising(UserError("ca_file: it is missing."))),
        Section("credentials", check_credentials),
    )
    with account() as aws:
        first, second = run_sections(aws.examination(), sections)
    assert (first.status, first.finding) == ("fail", "ca_file: it is missing")
    assert second.status == "pass"


def test_a_bug_is_no_result() -> None:
    sections = (Section("settings", raising(ZeroDivisionError())),)
    with account() as aws, pytest.raises(ZeroDivisionError):
        list(run_sections(aws.examination(), sections))
