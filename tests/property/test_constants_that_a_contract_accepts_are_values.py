"""A constant that a contract accepts gives every reading its value; one that Transform would reject
is refused with the contract. The first is read in plain Python, the second by polars."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl.authoring.regular_expressions import check_expressions
from functions.transform.clean import clean
from telemetry.contract import parse_contract
from telemetry.errors import ContractError
from tests.unit.functions.transform.envelopes_for import lines

COLUMNS = st.sampled_from(
    [
        'type = "text"\nmax_length = 6',
        'type = "text"\npattern = "[a-z0-9.]+"\nmissing = [7, "no"]',
        'type = "smallint"',
        'type = "integer"\nrange = [-5, 70000.5]',
        'type = "bigint"\nround = 0',
        'type = "bigint"\nmissing = [-1, "n/a"]',
        'type = "real"\nrange = [-1e30, inf]',
        'type = "float"\nround = 2\nrange = [0, 1e15]',
        'type = "float"\nattached = ["V", "mV"]\ndecimal_comma = true',
        'type = "decimal"\nprecision = 5\nscale = 2\nrange = [-100, 100]',
        'type = "boolean"\ntrue_values = ["ja", 2]',
        'type = "enum"\nvalues = {on = [1, "an"], off = ["0.0"]}',
        'type = "timestamp"',
        'type = "timestamp"\nformats = ["iso8601", "epoch_ms"]',
        'type = "timestamp"\nformats = ["epoch_auto"]',
        'type = "timestamp"\nformats = "%d.%m.%y %H:%M"',
        'type = "timestamp"\nformats = "%G-W%V-%u %H:%M"',
        'type = "timestamp"\nformats = "%a %Y-%j %I%p %Z"',
    ]
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 7, 2.5, 2**15, 2**31, 2**63, 2**63 - 1, -(2**63), -(2**63) - 1]),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
).map(str)
TIMES = st.one_of(
    st.datetimes().map(lambda at: at.isoformat(timespec="seconds")),
    st.datetimes().map(lambda at: at.isoformat(timespec="microseconds") + "Z"),
    st.from_regex(r"20[0-9]{2}-W[0-5][0-9]-[1-7] [0-2][0-9]:[0-5][0-9]", fullmatch=True),
    st.from_regex(
        r"(Mon|tue|SUN) 20[0-9]{2}-[0-3]?[0-9]{2} [01]?[0-9]AM (UTC|gmt)", fullmatch=True
    ),
    st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT24:00:00Z")),
    st.from_regex(r"[0-3][0-9]\.[01][0-9]\.[0-9]{2} [0-2][0-9]:[0-5][0-9]", fullmatch=True),
)
WORDS = st.sampled_from(
    ["", " ", "on", "AN", "off", "Ja", "no", "n/a", "true", "north", "7.0", "7 V", "3,5mV", "5.005",
     "999.99", "999.995", "-100.004", "1e400", "0.5", "70000.9", "+5.", ".5", "inf"]
)  # fmt: skip


@given(column=COLUMNS, constant=st.one_of(NUMBERS, TIMES, WORDS, st.text(max_size=8)))
def test_a_constant_is_refused_or_read(column: str, constant: str) -> None:
    spelled = "".join(f"\\U{ord(character):08x}" for character in constant)
    text = f"""
        name = "test"
        topic = "lab/+"
        [table]
        name = "test"
        key = ["id"]
        [columns.id]
        type = "integer"
        required = true
        [columns.v]
        {column}
        """
    raw = lines({"id": 1, "w": constant}, {"id": 2})
    # What Transform makes of it when a device sends it.
    sent = clean(raw, parse_contract(f"{text}\nfrom = 'w'".encode(), "sent.toml"))
    try:
        contract = parse_contract(f'{text}\nconstant = "{spelled}"'.encode(), "test.toml")
        check_expressions(contract)
    except ContractError:
        assert sent.rejects or sent.rows["v"][0] is None
        return
    values = clean(raw, contract).rows["v"]
    assert values.len() == 2
    assert values.null_count() == 0
    assert values[0] == values[1] == sent.rows["v"][0]
