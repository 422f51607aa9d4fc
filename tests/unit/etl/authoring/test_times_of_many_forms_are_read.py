"""Whatever form of time a contract can express is found, and the rest is said plainly."""

from __future__ import annotations

import pytest

from tests.unit.etl.authoring.proved import EPOCH, at, check_kept, proved

DAY = 86_400
FORMS = {
    "%d.%m.%Y %H:%M:%S": DAY, "%m/%d/%Y %H:%M": 3 * DAY, "%d/%m/%y %H:%M:%S": DAY,
    "%a, %d %b %Y %H:%M:%S GMT": 3600, "%a, %d %b %Y %H:%M:%S +0000": 3600,
    "%a %b %d %H:%M:%S %Y": DAY, "%Y%m%dT%H%M%SZ": 60, "%Y%m%d%H%M%S": 60, "%Y-%m-%d %H:%M": 60,
    "%Y-%m-%dT%H:%MZ": 60, "%m/%d/%Y %I:%M:%S %p": 7000, "%m/%d/%Y, %I:%M %p": 7000,
    "%Y-%m-%d %H:%M:%S,123": 60, "%Y-%m-%dT%H:%M:%S,250Z": 60, "%Y-%m-%dt%H:%M:%Sz": 60,
    "%Y-%m-%d %H:%M:%S UTC": 60, "%d %b %Y %H:%M:%S GMT": 3600, "%Y/%m/%d %H:%M:%S": 60,
    "%d-%b-%Y %H:%M:%S": 3600, "%Y-%m-%dT%H:%M:%S+0200": 60, "%Y-%jT%H:%M:%SZ": 3600,
    "%Y-%m-%d %H:%M:%S CET": 60, "%y%m%d%H%M%SW": 60, "%Y-%m-%d": DAY,
    "%G-W%V-%uT%H:%M:%SZ": 3600, "%GW%V%u %H:%M": DAY, "%A, %d %b %Y %H:%M:%S": DAY,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_form_becomes_a_timestamp_that_loses_nothing(form: str) -> None:
    documents = [
        {"device": f"d{n % 2}", "timestamp": at(n // 2, form, FORMS[form]), "v": n}
        for n in range(120)
    ]
    found = check_kept(documents, 120, ["device", "timestamp"], ["v"])
    assert found.proof.report.min_time is not None
    assert found.proof.report.min_time.startswith("2026-03-01")


@pytest.mark.parametrize("wrong", [False, True])
def test_weekdays_that_were_not_seen_yet_can_be_read_tomorrow(wrong: bool) -> None:
    form = f"{'Mon' if wrong else '%a'}, %d %b %Y %H:%M:%S GMT"
    documents = [{"dev": f"d{n % 2}", "ts": at(n // 2, form), "v": n} for n in range(60)]
    formats = proved(documents).contract.column("ts").formats
    if not wrong:
        assert formats == ("%a, %d %b %Y %H:%M:%S %Z",)
        return
    assert {name[:3] for name in formats} == {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_epochs_of_each_unit_are_read(scale: int) -> None:
    documents = [
        {"dev": f"d{n % 2}", "t": (EPOCH + n // 2 * 60) * scale, "v": n} for n in range(120)
    ]
    check_kept(documents, 120, ["dev", "t"], ["v"])


def test_mixtures_of_units_are_told_apart_by_the_size_of_the_number() -> None:
    units = (1, 10**3, 10**6, 10**9)
    documents = [
        {"dev": f"d{n % 8}", "ts": (EPOCH + n * 60) * units[n % 4], "v": n} for n in range(160)
    ]
    found = check_kept(documents, 160, ["dev", "ts"], ["v"])
    assert found.contract.column("ts").formats == ("epoch_auto",)
    report = found.proof.report
    assert (report.min_time, report.max_time) == (
        at(0, "%Y-%m-%dT%H:%M:%S.000000+00:00"), at(159, "%Y-%m-%dT%H:%M:%S.000000+00:00"),
    )  # fmt: skip


@pytest.mark.parametrize("unset", [0, 7, 946_684_800, 2_085_978_496])
def test_devices_with_an_unset_clock_are_counted_and_kept(unset: int) -> None:
    documents = [
        {"dev": f"d{n % 10}", "ts": EPOCH + n * 60 if n % 10 else unset + n, "v": n / 10}
        for n in range(150)
    ]
    found = check_kept(documents, 150, ["dev", "ts"], ["v"])
    assert any("15 times of clocks that were not set" in s for s in found.proof.worth_a_look)


def test_day_or_month_first_is_decided_by_evidence_and_a_guess_is_said() -> None:
    def formats(step: int) -> tuple[list[str], list[str]]:
        documents = [{"dev": "d", "time": at(n, "%m/%d/%Y %H:%M", step), "v": n} for n in range(60)]
        found = proved(documents)
        return list(found.contract.column("time").formats), found.proof.worth_a_look

    assert formats(DAY)[0] == ["%m/%d/%Y %H:%M"]
    assert any("day or month first" in sentence for sentence in formats(60)[1])


def test_the_time_of_measurement_goes_before_those_of_servers_and_boots() -> None:
    documents = [
        {"dev": f"d{n % 3}", "received_at": at(n // 50), "boot_time": at(0), "measured_at": at(n)}
        for n in range(150)
    ]
    check_kept(documents, 150, ["dev", "measured_at"])


def test_a_date_and_a_time_of_day_are_both_in_the_key() -> None:
    documents = [
        {"id": "L", "date": f"{1 + n // 24:02}/03/2026", "time": f"{n % 24:02}:00:00", "v": n}
        for n in range(100)
    ]
    check_kept(documents, 100, ["id", "time", "date"], ["v"])


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (
            [{"dev": "d", "year": 2026, "month": 3, "day": 1 + n % 28, "v": n} for n in range(60)],
            "year, month, day",
        ),
        (
            [{"dev": "d", "time": [EPOCH + n, EPOCH + n + 1], "t": [1]} for n in range(60)],
            "times in time",
        ),
        (
            [
                {"s": [{"node": "a", "port": [{"id": 1, "log": [{"ts": at(n), "t": 1}]}]}]}
                for n in range(60)
            ],
            "readings of its own",
        ),
        (
            [{"a": [{"name": "timestamp", "value": at(n)}, {"name": "p", "value": n}]} for n in range(60)],
            "probably the time of the others",
        ),
    ],
    ids=["parts", "unequal arrays", "three levels", "among names"],
)  # fmt: skip
def test_a_time_that_a_contract_can_not_express_is_said(documents: list[object], said: str) -> None:
    found = proved(documents)
    assert any(said in sentence for sentence in found.proof.losses), found.proof.losses
    assert found.proof.report.rejected == found.proof.report.conflicts == 0
