"""The key is chosen by what it does to the sample: each distinct reading is a row."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.etl.authoring.proved import EPOCH, at, check_kept, proved

N = 150


@pytest.mark.parametrize(
    "name", ["dev", "src", "n", "host", "source", "subject", "serial", "gw", "tag"]
)
def test_what_usually_names_a_device_is_in_the_key(name: str) -> None:
    found = proved([{name: f"x{n % 3}", "ts": at(n // 3), "t": n / 10} for n in range(N)])
    assert name in found.contract.key
    assert found.contract.key[-1] == "ts"
    assert (found.proof.report.accepted, found.proof.losses) == (N, [])


@pytest.mark.parametrize(
    ("name", "column"),
    [("esp8266id", "esp8266id"), ("chargePointId", "charge_point_id"), ("Zähler", "zahler")],
)
def test_a_device_has_a_model_or_another_language_in_its_name(name: str, column: str) -> None:
    found = proved([{name: f"k4711{n % 3}", "ts": at(n), "CO₂": n / 10} for n in range(N)])
    assert found.contract.key == (column, "ts")
    assert {"co2"} == {c.name for c in found.contract.columns} - {column, "ts"}


def test_a_tenant_or_application_does_not_name_the_device() -> None:
    documents = [
        {"tenantId": "t", "applicationId": "a", "devEui": f"70b3{n % 4:04}", "time": at(n), "v": n}
        for n in range(N)
    ]
    check_kept(documents, N, ["dev_eui", "time"], ["v"])


def test_a_model_does_not_hide_the_id_beneath_it() -> None:
    documents = [
        {"meter": f"kx{n % 2}", "id": f"1234{n % 6}", "ts": EPOCH + n, "v": n} for n in range(N)
    ]
    assert "id" in check_kept(documents, N, ["meter", "id", "ts"]).contract.key


def test_the_address_of_a_slave_needs_its_gateway() -> None:
    documents = [
        {"gateway": f"g{n % 2}", "slave": 1 + n // 2 % 5, "ts": EPOCH + n // 10 * 60, "v": n}
        for n in range(N)
    ]
    check_kept(documents, N, ["device", "gateway", "slave", "ts"], ["v"])


def test_a_member_of_any_name_is_found_by_its_values() -> None:
    documents = [{"zzz": f"kiln-{n % 4}", "ts": at(n // 4), "q": n / 3} for n in range(N)]
    check_kept(documents, N, ["device", "zzz", "ts"], ["q"])


def test_a_tag_that_some_readings_lack_is_in_the_key_with_a_value_for_its_absence() -> None:
    def metrics(n: int) -> list[dict[str, Any]]:
        cpus = [
            {
                "name": "cpu",
                "tags": {"host": "h", "cpu": f"cpu{k}"},
                "timestamp": EPOCH + n,
                "v": k + n,
            }
            for k in range(2)
        ]
        return [*cpus, {"name": "mem", "tags": {"host": "h"}, "timestamp": EPOCH + n, "v": 7}]

    found = proved([{"metrics": metrics(n)} for n in range(50)])
    assert found.proof.losses == []
    assert found.proof.report.accepted == 150
    assert "tags_host" in found.contract.key
    assert found.contract.column("tags_cpu").sources[-1].scope == "constant"


def test_elements_of_one_moment_are_told_apart_by_their_index() -> None:
    documents = [
        {"id": f"s{n % 3}", "ts": at(n), "values": [{"v": 1.5}, {"v": 1.5 + n}, {"v": 2.5}]}
        for n in range(60)
    ]
    check_kept(documents, 180, ["id", "index", "ts"], ["v"])


def test_without_a_time_the_messages_id_keeps_equal_arrivals_apart() -> None:
    documents = [{"dev": f"d{n % 3}", "t": 20 + n % 5} for n in range(N)]
    found = check_kept(documents, N, ["dev", "message_id", "received_at"], ["t"])
    assert found.contract.analytics.rollups == ()
    assert "a better key needs a time of measurement" in found.proof.worth_a_look[0]


def test_what_nothing_tells_apart_is_told_apart_by_the_message_and_said() -> None:
    documents = [{"dev": "d", "ts": at(n // 2), "t": n / 10} for n in range(N)]
    found = check_kept(documents, N, ["dev", "message_id", "ts"], ["t"])
    assert "75 of 150 readings would collide" in found.proof.worth_a_look[0]


def test_messages_that_are_sent_again_stay_repeats() -> None:
    documents = [
        {"dev": f"d{n % 2}", "ts": at(n), "t": n / 10} for n in range(80) for _ in range(1 + n % 2)
    ]
    found = check_kept(documents, 80, ["dev", "ts"], ["t"])
    assert found.proof.report.duplicates == 40


def test_a_measurement_is_never_in_the_key() -> None:
    documents = [{"dev": "d", "ts": at(n // 2), "temp": n % 2, "status": "ok"} for n in range(N)]
    assert "temp" not in proved(documents).contract.key


def test_a_large_id_keeps_all_its_digits() -> None:
    documents = [{"id": 2**64 - 1 - n % 3, "ts": at(n // 3), "v": n} for n in range(99)]
    found = proved(documents)
    assert (found.proof.report.accepted, found.proof.losses) == (99, [])


def test_readings_without_a_time_of_their_own_are_said() -> None:
    documents = [
        {"dev": f"d{n % 10}", "ts": at(n) if n % 10 else None, "v": n / 10} for n in range(N)
    ]
    found = proved(documents)
    assert found.proof.report.accepted == N
    assert "10% of the readings have no time of their own" in found.proof.losses[0]
