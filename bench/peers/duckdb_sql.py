"""DuckDB: the complete transform in SQL with one thread, from a file of lines to CSV and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from bench.peers.result import Transformed

__all__ = ["transform"]

MEMBERS = (
    *("device_id", "ts", "time", "timestamp", "seq", "temperature_c", "temp", "humidity_pct"),
    *("hum", "pressure_hpa", "battery_v", "charging", "status", "firmware"),
)
READING = dict.fromkeys(MEMBERS, "VARCHAR")
WEATHER = {"temperature": "VARCHAR", "humidity": "VARCHAR", "pressure": "VARCHAR"}
ELEMENT = {**READING, "environment": WEATHER}
SHAPE = json.dumps({**ELEMENT, "readings": [ELEMENT]})
ALONE = ", ".join(f"{name} := d.{name}" for name in ELEMENT)


def _number(source: str, marker: str = "NULL") -> str:
    """A finite double; NULL for a marker, and for text that is not a number."""
    number = f"TRY_CAST(trim({source}) AS DOUBLE)"
    return f"nullif(CASE WHEN isfinite({number}) THEN {number} END, {marker})"


def _within(number: str, low: int, high: int) -> str:
    return f"CASE WHEN {number} BETWEEN {low} AND {high} THEN {number} END"


def _text(source: str) -> str:
    return f"CASE WHEN length({source}) BETWEEN 1 AND 32 THEN {source} END"


SOURCES = f"""
    CREATE TEMP TABLE readings AS
    WITH envelopes AS (
        SELECT *, try(decode(from_base64(payload))) AS text
        FROM read_json(?, format = 'newline_delimited', columns = {{
            message_id: 'VARCHAR', topic: 'VARCHAR', client_id: 'VARCHAR',
            received_at: 'BIGINT', payload: 'VARCHAR'}})
    ), documents AS (
        SELECT * EXCLUDE (text),
            CASE WHEN text IS NULL THEN 'not_utf8'
                 WHEN NOT json_valid(text) THEN 'not_json' END AS broken,
            CASE WHEN json_valid(text) THEN from_json(text, '{SHAPE}') END AS d
        FROM envelopes
    ), elements AS (
        SELECT * EXCLUDE (d), d.device_id AS device, d.firmware AS version,
            d.readings IS NOT NULL AS several,
            unnest(coalesce(d.readings, [struct_pack({ALONE})])) AS r,
            generate_subscripts(coalesce(d.readings, [struct_pack({ALONE})]), 1) - 1 AS place
        FROM documents
    )
    SELECT message_id, topic, client_id, received_at, payload, broken,
        CASE WHEN several THEN place END AS index, r,
        coalesce(nullif(r.device_id, ''), nullif(device, ''), split_part(topic, '/', 3))
            AS device_id,
        coalesce(r.ts, r.time, r.timestamp) AS sent,
        TRY_CAST(r.seq AS BIGINT) AS seq,
        coalesce(r.temperature_c, r.temp, r.environment.temperature) AS heat,
        coalesce(r.humidity_pct, r.hum, r.environment.humidity) AS damp,
        coalesce(r.pressure_hpa, r.environment.pressure) AS pressure,
        lower(trim(r.charging)) AS charging,
        coalesce(r.firmware, version) AS version
    FROM elements
"""

CLEAN = f"""
    CREATE TEMP TABLE cleaned AS
    WITH typed AS (
        SELECT * REPLACE ({_number("heat", "-127")} AS heat),
            heat IS NOT NULL AND trim(heat) NOT IN ('', 'null', 'NaN', 'n/a') AS has_heat,
            TRY_CAST(heat AS DOUBLE) = -127 AS no_heat,
            coalesce(
                CASE WHEN sent LIKE '____-__-__T%' THEN TRY_CAST(sent AS TIMESTAMPTZ) END,
                make_timestamptz(TRY_CAST(sent AS BIGINT) * 1000)) AS ts
        FROM readings
    )
    SELECT *, CASE WHEN broken IS NOT NULL THEN [broken] ELSE list_filter([
            CASE WHEN sent IS NULL OR sent = '' THEN 'missing:ts'
                 WHEN ts IS NULL THEN 'invalid:ts' END,
            CASE WHEN has_heat AND heat IS NULL AND NOT coalesce(no_heat, false)
                     THEN 'invalid:temperature_c'
                 WHEN heat NOT BETWEEN -60 AND 85 THEN 'out_of_range:temperature_c' END
        ], lambda reason: reason IS NOT NULL) END AS reasons
    FROM typed
"""

ROWS = f"""
    COPY (
        SELECT device_id, strftime(ts, '%Y-%m-%dT%H:%M:%S.%f+00:00'),
            CASE WHEN seq >= 0 THEN seq END, heat,
            {_within(_number("damp"), 0, 100)},
            {_within(_number("pressure", "0"), 300, 1100)},
            {_within(_number("r.battery_v"), 0, 6)},
            CASE WHEN charging IN ('true', 't', 'yes', 'y', 'on', '1') THEN true
                 WHEN charging IN ('false', 'f', 'no', 'n', 'off', '0') THEN false END,
            {_text("r.status")}, {_text("version")},
            strftime(make_timestamptz(received_at * 1000), '%Y-%m-%dT%H:%M:%S.%f+00:00')
        FROM cleaned WHERE len(reasons) = 0
        QUALIFY row_number() OVER (
            PARTITION BY device_id, ts ORDER BY received_at, message_id, index) = 1
        ORDER BY device_id, ts
    ) TO '{{csv}}' (FORMAT csv, HEADER false)
"""

REJECTS = """
    COPY (
        SELECT message_id, topic, client_id, received_at, index, reasons,
            CASE WHEN broken IS NULL THEN r END AS reading,
            CASE WHEN row_number() OVER (PARTITION BY message_id, received_at ORDER BY index) = 1
                 THEN payload END AS payload
        FROM cleaned WHERE len(reasons) > 0
    ) TO '{rejects}' (FORMAT json, COMPRESSION gzip)
"""


def transform(lines: Path, folder: Path) -> Transformed:
    """``lines`` is the raw object's lines as a file; ``folder`` takes what DuckDB writes."""
    csv, rejects = folder / "rows.csv", folder / "rejects.ndjson.gz"
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(SOURCES, [str(lines)])
        connection.execute(CLEAN)
        written = connection.execute(ROWS.format(csv=csv)).fetchone()
        connection.execute(REJECTS.format(rejects=rejects))
        accepted = connection.execute(
            "SELECT count(*) FROM cleaned WHERE len(reasons) = 0"
        ).fetchone()
    assert written is not None
    assert accepted is not None
    return Transformed(csv.read_bytes(), rejects.read_bytes(), accepted[0] - written[0])
