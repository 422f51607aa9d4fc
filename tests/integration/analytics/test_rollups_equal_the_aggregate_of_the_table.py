"""Whatever is loaded, in whatever order, at the same time or again, a rollup says what the rows do."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.migrate.analytics import forget_figures
from telemetry.ddl.analytics import service_name
from tests.fixtures.examples import MANY_EXAMPLES, slow_with_many
from tests.fixtures.telemetry_database import TelemetryDatabase
from tests.integration.analytics.rollups import (
    TABLE,
    Reading,
    assert_exact,
    bring_up,
    contract_for,
    kept_only,
    load,
    reading,
    rollup_says,
    same,
    table_says,
)

OTHERS = ("keep_first", "keep_greatest", "fill_missing")
MANY = 24 if MANY_EXAMPLES else 4


@st.composite
def readings_of_few_spans(draw: st.DrawFn) -> list[Reading]:
    """Two sites of two devices, over ten hours and two days; values that come again often."""
    found = []
    for number in range(draw(st.integers(0, 20))):
        minute = draw(st.sampled_from([0, 1, 59, 60, 61, 179, 239, 240, 241, 599]))
        site, device = draw(st.sampled_from("ab")), draw(st.integers(1, 2))
        value = draw(st.none() | st.sampled_from([0.1, -7.5, 1e100]))
        price = draw(st.none() | st.sampled_from([0.01, 99999999.99]))
        opened = draw(st.none() | st.booleans())
        found.append(
            reading(minute, site, device, seq=number, value=value, price=price, open=opened)
        )
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, list[Reading]]]:
    """Batches, some of which come again, with refreshes in between."""
    readings = draw(readings_of_few_spans())
    ends = sorted(draw(st.lists(st.integers(0, len(readings)), max_size=4)))
    batches = [readings[a:b] for a, b in pairwise([0, *ends, len(readings)])]
    order = draw(st.lists(st.sampled_from(range(len(batches))), min_size=1, max_size=8))
    words = st.sampled_from(["refresh", "load", "load and refresh"])
    return [(draw(words), batches[place]) for place in order]


@slow_with_many
@pytest.mark.parametrize(
    ("policy", "partition"),
    [
        ("keep_last", "none"),
        *(pytest.param(policy, "none", marks=pytest.mark.slow) for policy in OTHERS),
        pytest.param("keep_first", "month", marks=pytest.mark.slow),
        pytest.param("keep_last", "month", marks=pytest.mark.slow),
    ],
)
def test_a_rollup_is_exact_after_every_step(
    empty_database: TelemetryDatabase, policy: str, partition: str
) -> None:
    contract = contract_for(policy, partition)
    empty_database.migrate(contract)

    @settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck))
    @given(histories())
    def property_holds(history: list[tuple[str, list[Reading]]]) -> None:
        empty_database.query(f"TRUNCATE {TABLE}, etl.ledger")
        bring_up(empty_database, contract)
        for number, (word, readings) in enumerate(history):
            if word != "refresh":
                load(empty_database, contract, f"b{number}", readings)
                assert_exact(empty_database)
            if word != "load":
                bring_up(empty_database, contract)
                assert kept_only(empty_database)
                assert_exact(empty_database)

    property_holds()


@pytest.mark.parametrize(
    "policy", ["keep_last", pytest.param("keep_first", marks=pytest.mark.slow)]
)
def test_loads_and_refreshes_at_once_leave_it_exact(
    empty_database: TelemetryDatabase, policy: str
) -> None:
    """Who reads in the middle of it sees rows and figures of one moment."""
    contract = contract_for(policy)
    empty_database.migrate(contract)
    bring_up(empty_database, contract)
    chance = random.Random(7)
    batches = [
        [
            reading(chance.randrange(600), chance.choice("ab"), chance.randrange(4), seq=number)
            for _ in range(60)
        ]
        for number in range(24)
    ]
    over = threading.Event()
    seen: list[bool] = []

    def refreshing() -> None:
        while not over.is_set():
            bring_up(empty_database, contract)

    def reading_all() -> None:
        with closing(empty_database.connect_owner()) as connection:
            connection.set_session(isolation_level="REPEATABLE READ")
            while not over.is_set():
                with connection, connection.cursor() as cursor:
                    cursor.execute(f"SELECT count(*), sum(seq) FROM {TABLE}")
                    wanted = cursor.fetchone()
                    for name in ("hourly", "daily"):
                        cursor.execute(
                            "SELECT coalesce(sum(readings), 0), sum(seq_avg * seq_count) "
                            f"FROM telemetry.measured_{name}"
                        )
                        found = cursor.fetchone()
                        seen.append(found[0] == wanted[0])

    with ThreadPoolExecutor(6) as pool:
        others = [pool.submit(refreshing), pool.submit(reading_all)]
        loads = [
            pool.submit(load, empty_database, contract, f"b{number}", batch, refreshes=True)
            for number, batch in enumerate(batches)
        ]
        try:
            for done in loads:
                done.result()
            # A reader that has had little of the processor needs more loads to read beside.
            more = itertools.count(len(batches))
            while len(seen) <= 4 and not others[1].done():
                number = next(more)
                one = [reading(number % 600, "b", number % 4, seq=number)]
                load(empty_database, contract, f"b{number}", one, refreshes=True)
        finally:
            over.set()
        for other in others:
            other.result()
    assert len(seen) > 4
    assert all(seen)
    assert_exact(empty_database)
    bring_up(empty_database, contract)
    assert kept_only(empty_database)
    assert_exact(empty_database)


def test_a_refresh_does_not_wait_for_a_load_nor_a_load_for_a_refresh(
    empty_database: TelemetryDatabase,
) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    load(empty_database, contract, "one", [reading(0, value=1.0)])
    with closing(empty_database.connect_owner()) as busy, busy.cursor() as cursor:
        cursor.execute(f"SELECT {service_name(contract, 'refresh')}(1000, interval '0')")
        load(empty_database, contract, "two", [reading(1, value=3.0)])
        assert_exact(empty_database)
        busy.commit()
    assert_exact(empty_database)
    assert not kept_only(empty_database)
    bring_up(empty_database, contract)
    assert rollup_says(empty_database, "hour")[0][3] == 2


def test_two_refreshes_do_not_do_the_same_work(empty_database: TelemetryDatabase) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    call = f"SELECT {service_name(contract, 'refresh')}(1000, interval '0')"
    load(empty_database, contract, "one", [reading(0, value=1.0)])
    with closing(empty_database.connect_owner()) as busy, busy.cursor() as cursor:
        cursor.execute(call)
        assert empty_database.query(call) == [(None,)]


def test_a_refresh_rests_after_another(empty_database: TelemetryDatabase) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    call = f"SELECT {service_name(contract, 'refresh')}(1000, interval '1 hour')"
    bring_up(empty_database, contract)
    load(empty_database, contract, "one", [reading(0, value=1.0)])
    assert empty_database.query(call) == [(None,)]
    empty_database.query(
        """UPDATE etl."telemetry.measured.refreshed" SET refreshed_at = now() - interval '61 min'"""
    )
    assert empty_database.query(call) == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {TABLE} SET value = 100 WHERE id = 1",
        f"DELETE FROM {TABLE} WHERE id = 1",
        f"TRUNCATE {TABLE}",
        f"INSERT INTO {TABLE} (site, id, ts, value) VALUES ('z', 9, '2020-02-29T23:59:59Z', 1)",
        f"UPDATE {TABLE} SET ts = ts - interval '3 days'",
    ],
)
def test_what_a_person_does_to_the_table_is_seen(
    empty_database: TelemetryDatabase, statement: str
) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    load(empty_database, contract, "one", [reading(m, id=m % 2, value=m / 7) for m in range(200)])
    bring_up(empty_database, contract)
    empty_database.query(statement)
    assert_exact(empty_database)
    load(empty_database, contract, "two", [reading(500, value=1.0)])
    assert_exact(empty_database)
    bring_up(empty_database, contract)
    assert kept_only(empty_database)
    assert_exact(empty_database)


def test_the_next_load_puts_a_mark_for_everything_apart(empty_database: TelemetryDatabase) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    load(empty_database, contract, "one", [reading(m, value=m / 7) for m in range(200)])
    empty_database.query(f"UPDATE {TABLE} SET value = 0")
    load(empty_database, contract, "two", [reading(500, value=1.0)], refreshes=True)
    assert kept_only(empty_database)
    assert_exact(empty_database)


def test_a_load_that_is_rolled_back_leaves_no_mark(empty_database: TelemetryDatabase) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    bring_up(empty_database, contract)
    with pytest.raises(Exception, match="Replay the batch"):
        load(empty_database, contract, "one", [reading(0)], accepted=2, read=2)
    assert kept_only(empty_database)


def test_a_batch_that_changes_nothing_leaves_no_mark(empty_database: TelemetryDatabase) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    load(empty_database, contract, "one", [reading(0, value=1.0)])
    bring_up(empty_database, contract)
    load(empty_database, contract, "two", [reading(0, value=2.0)])
    load(empty_database, contract, "one", [reading(0, value=1.0)])
    assert kept_only(empty_database)


def test_a_load_that_knows_of_no_marks_is_not_missed(empty_database: TelemetryDatabase) -> None:
    """One of the version before, under way while the rollups are made."""
    contract = contract_for()
    empty_database.migrate(contract)
    bring_up(empty_database, contract)
    dsn = empty_database.server.dsn(empty_database.loader.username, empty_database.loader.password)
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} (site, id, ts, seq) VALUES ('a', 1, now(), 1)")
    assert len(rollup_says(empty_database, "hour")) == 1
    assert_exact(empty_database)


def test_the_spans_are_of_utc_whatever_the_session_says(empty_database: TelemetryDatabase) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    load(empty_database, contract, "one", [reading(30 * m, value=m / 3) for m in range(100)])
    for refreshed in (False, True):
        if refreshed:
            bring_up(empty_database, contract)
        for zone in ("Europe/Berlin", "America/St_Johns"):
            database = empty_database.server.name
            empty_database.query(f"ALTER DATABASE \"{database}\" SET timezone = '{zone}'")
            try:
                assert_exact(empty_database)
            finally:
                empty_database.query(f'ALTER DATABASE "{database}" RESET timezone')


def test_sparse_groups_are_marked_where_their_rows_are(empty_database: TelemetryDatabase) -> None:
    """A reading a day, for years: not each hour in between is marked."""
    contract = contract_for()
    empty_database.migrate(contract)
    bring_up(empty_database, contract)
    load(empty_database, contract, "one", [reading(1440 * day, value=1.0) for day in range(500)])
    assert empty_database.query('SELECT count(*) FROM etl."telemetry.measured.marks"') == [(500,)]
    assert_exact(empty_database)


@pytest.mark.parametrize("rollups", ["hourly", "daily"])
def test_a_contract_may_want_one_of_them(empty_database: TelemetryDatabase, rollups: str) -> None:
    contract = contract_for(analytics=f'rollups = ["{rollups}"]')
    empty_database.migrate(contract)
    unit = {"hourly": "hour", "daily": "day"}[rollups]
    for number in range(3):
        load(
            empty_database,
            contract,
            f"b{number}",
            [reading(m + number, value=m / 7, seq=number) for m in range(0, 2000, 17)],
        )
        assert same(rollup_says(empty_database, unit), table_says(empty_database, unit))
        if number == 1:
            bring_up(empty_database, contract)
            assert same(rollup_says(empty_database, unit), table_says(empty_database, unit))


def test_a_rebuild_makes_right_what_someone_broke(empty_database: TelemetryDatabase) -> None:
    contract = contract_for()
    empty_database.migrate(contract)
    load(empty_database, contract, "one", [reading(m, value=m / 3) for m in range(300)])
    bring_up(empty_database, contract)
    empty_database.query('UPDATE etl."telemetry.measured.hourly" SET readings = 0')
    empty_database.query('DELETE FROM etl."telemetry.measured.daily"')
    assert not same(rollup_says(empty_database, "hour"), table_says(empty_database, "hour"))
    for _ in range(2):
        with closing(empty_database.connect_owner()) as connection:
            forget_figures(connection, contract)
        assert_exact(empty_database)
        assert bring_up(empty_database, contract) == 0
        assert_exact(empty_database)


def test_one_hostile_value_does_not_spoil_a_rollup(empty_database: TelemetryDatabase) -> None:
    """PostgreSQL's own sum refuses to overflow, and so would every query of that hour."""
    contract = contract_for()
    empty_database.migrate(contract)
    load(empty_database, contract, "one", [reading(m, value=1.7e308) for m in range(8)])
    with pytest.raises(psycopg2.errors.NumericValueOutOfRange):
        table_says(empty_database, "hour")
    for _ in range(2):
        found = empty_database.query("SELECT value_avg, value_count FROM telemetry.measured_hourly")
        assert found == [(pytest.approx(1.7e308, rel=1e-12), 8)]
        bring_up(empty_database, contract)
