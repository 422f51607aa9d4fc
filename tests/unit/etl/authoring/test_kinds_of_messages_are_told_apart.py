"""Joins and states among readings are set aside; what measures is never."""

from __future__ import annotations

from tests.unit.etl.authoring.proved import at, proved


def test_kinds_without_a_time_and_a_number_are_set_aside() -> None:
    joins = [{"event": "join", "devEui": f"e{n % 3}", "ts": None} for n in range(20)]
    ups = [{"event": "up", "devEui": f"e{n % 3}", "ts": at(n), "t": n / 10} for n in range(80)]
    found = proved([*joins, *ups])
    assert [(c.source.path, c.values) for c in found.contract.only] == [(("event",), ("up",))]
    report = found.proof.report
    assert (report.accepted, report.other["set_aside"], found.proof.losses) == (80, 20, [])
    assert any("20 messages set aside: join 20" in line for line in found.proof.worth_a_look)


def test_without_a_member_for_the_kind_the_time_must_be_present() -> None:
    states = [{"dev": "d", "status": "online"} for _ in range(10)]
    found = proved([*states, *({"dev": "d", "ts": at(n), "t": n / 10} for n in range(90))])
    assert found.contract.only[0].present
    assert found.proof.report.accepted == 90


def test_a_kind_that_measures_is_kept_although_it_has_no_time() -> None:
    documents = [
        {"type": "battery", "dev": f"d{n % 3}", "battery": 90 - n / 10}
        if n % 4 == 0
        else {"type": "data", "dev": f"d{n % 3}", "ts": at(n), "t": n / 10}
        for n in range(100)
    ]
    found = proved(documents)
    assert found.contract.only == ()
    assert found.proof.report.accepted == 100
