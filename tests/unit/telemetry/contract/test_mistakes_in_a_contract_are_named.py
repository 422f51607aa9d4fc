"""Each mistake is reported with the file, the key and what to write instead."""

from __future__ import annotations

import re

import pytest

from telemetry.contract import parse_contract
from telemetry.errors import ContractError

GOOD = """
name = "good"
topic = "lab/+"
[table]
name = "readings"
key = ["id", "ts"]
[columns.id]
type = "text"
max_length = 20
required = true
[columns.ts]
type = "timestamp"
required = true
[columns.v]
type = "float"
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(ContractError) as caught:
        parse_contract(text.encode(), "good.toml")
    return str(caught.value).splitlines()


def test_the_longest_name_of_a_partition_fits() -> None:
    without_views = f"{GOOD}[analytics]\nviews = false\n"

    def named(letters: int) -> str:
        return without_views.replace('"readings"', f'"{"a" * letters}"\npartition = "day"')

    assert parse_contract(named(52).encode(), "good.toml").partition == "day"
    (complaint,) = complaints(named(53))
    assert "52 bytes fit" in complaint


def test_partitions_follow_from_the_retention() -> None:
    def partition(keys: str) -> tuple[str, int | None]:
        text = GOOD.replace("[table]\n", f"[table]\n{keys}\n")
        contract = parse_contract(text.encode(), "good.toml")
        return contract.partition, contract.retention_days

    assert partition("") == ("none", None)
    assert partition('retention = "90d"') == ("day", 90)
    assert partition('retention = "91d"') == ("month", 91)
    assert partition('retention = "400d"\npartition = "day"') == ("day", 400)


def test_the_good_one_is_good() -> None:
    parse_contract(GOOD.encode(), "good.toml")


@pytest.mark.parametrize(
    ("old", "new", "key", "remedy"),
    [
        ('name = "good"', "", "name", "add it"),
        *(
            ('type = "float"', f'type = "float"\n{column}', f"columns.v.{key}", to)
            for column, key, to in (
                ("from = '{a'", "from", "write members as in"),
                ("from = 'a}{b}'", "from", "write members as in"),
                ("from = '{$received_at} {b}'", "from", "use a member"),
                ("from = '$parts.p.x'", "from", "add [parts.p]"),
                ("from = '$parts.p.x'\n[parts.p]\nsplit = ';'", "from", "use $parts.p[0]"),
                ("from = '$parts.p[0]'\n[parts.p]\npattern = '(?P<x>.)'", "from", "$parts.p.x"),
                ("plus = {from = 'a', unit = 's'}", "plus", "is for timestamp"),
                ("unit_from = {from = 'u', units = ['degF']}", "unit", "write what unit_from"),
                ("unit = 'degC'\nunit_from = {from = 'u'}", "unit_from.units", "list the units"),
                ("unit = 'K'\nunit_from = {units = ['K']}", "unit_from.from", "name the member"),
                (
                    "unit = 'K'\nunit_from = {from = 'u', units = {K = 'k', degC = 'k'}}",
                    "unit_from.units",
                    "keep one",
                ),
                (
                    "unit = 'K'\nunit_from = {from = 'u', units = ['K'], constant = 'F'}",
                    "unit_from.constant",
                    "correct it",
                ),
            )
        ),
        *(
            (
                'type = "timestamp"',
                f'type = "timestamp"\nplus = {plus}',
                f"columns.ts.plus.{key}",
                to,
            )
            for plus, key, to in (
                ("{from = 'a'}", "unit", "use one of ns"),
                ("{unit = 's'}", "from", "name the member"),
                ("{from = 'a', unit = 'y'}", "unit", "use one of ns"),
                ("{from = 'a', unit = 's', every = 0}", "every", "write a number"),
                ("{from = '$received_at', unit = 's'}", "from", "use a member"),
            )
        ),
        *(
            ('type = "float"', f"type = 'float'\n[parts.p]\n{parts}", f"parts.p{key}", to)
            for parts, key, to in (
                ("split = ';'", "", "is not used"),
                ("from = 'a'", ".pattern", "write one of them"),
                ("split = ';'\npattern = '(?P<x>.)'", ".pattern", "write one of them"),
                ("split = ''", ".split", "such as ';'"),
                ("pattern = '.+'", ".pattern", "has no named group"),
                ("pattern = '(?P<x>.)(?=a)'", ".pattern", "without look-around"),
                ("split = ';'\nfrom = '$rest'", ".from", "can't have parts"),
            )
        ),
        ('name = "good"', 'name = "Good one"', "name", "use up to 40"),
        ('name = "good"', "name = 7", "name", "write a text"),
        ('name = "good"', 'name = "good"\nowner = "me"', "owner", "use one of name"),
        ('topic = "lab/+"', 'topic = "#"', "topic", "write 'a/b/+'"),
        ('topic = "lab/+"', 'topic = "+"', "topic", "write 'a/b/+'"),
        ('topic = "lab/+"', 'topic = "$aws/+"', "topic", "use letters"),
        ('topic = "lab/+"', 'topic = "lab//+"', "topic", "use letters"),
        ('topic = "lab/+"', 'topic = "lab/box-+"', "topic", "for a whole level"),
        ('topic = "lab/+"', 'topic = "lab/{Device}"', "topic", "for a whole level"),
        ('topic = "lab/+"', 'topic = "lab/#/+"', "topic", "not the last level"),
        ('topic = "lab/+"', 'topic = "lab/{a}/{a}"', "topic", "a name of its own"),
        ('topic = "lab/+"', 'topic = "+/lab/+"', "topic", "begin with a fixed level"),
        ('topic = "lab/+"', 'topic = "{site}/#"', "topic", "begin with a fixed level"),
        ('topic = "lab/+"', 'topic = "lab/+/+/+/+/+"', "topic", "end in #"),
        ('topic = "lab/+"', f'topic = "{"l" * 90}/+/+/+/+"', "topic", "so many wildcards"),
        ('topic = "lab/+"', f'topic = "{"a/" * 8}+"', "topic", "shorten it"),
        ('name = "readings"', 'name = "Readings"', "table.name", "use a-z"),
        ('name = "readings"', f'name = "{"a" * 64}"', "table.name", "PostgreSQL keeps 63"),
        ('name = "readings"', 'name = "r"\nschema = "etl"', "table.schema", "use another"),
        ('name = "readings"', 'name = "r"\nschema = "pg_x"', "table.schema", "use another"),
        ('key = ["id", "ts"]', "", "table.key", "list the columns"),
        ('key = ["id", "ts"]', 'key = ["id"]\npartition = "month"', "table.partition", "needs a"),
        ('key = ["id", "ts"]', 'key = ["id"]\npartition = "week"', "table.partition", "use one of"),
        ('key = ["id", "ts"]', 'key = ["id"]\nretention = "9d"', "table.retention", "needs a"),
        *(
            (
                'key = ["id", "ts"]',
                f'key = ["id", "ts"]\nretention = {value}',
                "table.retention",
                "write one from 1d",
            )
            for value in ('"0d"', '"400"', '"1 year"', '"-3d"', '"36501d"', '"400d "')
        ),
        (
            'key = ["id", "ts"]',
            'key = ["id", "ts"]\nretention = "9d"\npartition = "none"',
            "table.partition",
            "leave it out",
        ),
        *(
            ('key = ["id", "ts"]', f'key = ["id", "ts"]\nindexes = {columns}', "table.indexes", to)
            for columns, to in (
                ('["ts"]', "write lists"),
                ("[[]]", "write lists"),
                ('[["x"]]', "add [columns.x]"),
                ('[["v", "v"]]', "name each once"),
                ('[["v"], ["v"]]', "name each once"),
                ('[["id"]]', "remove it"),
            )
        ),
        ('key = ["id", "ts"]', 'key = ["id"]\ngreatest = "v"', "table.greatest", "write both"),
        *(
            (
                'key = ["id", "ts"]',
                f'key = ["ts"]\non_conflict = "keep_greatest"\n{greatest}',
                "table.greatest",
                remedy,
            )
            for greatest, remedy in (
                ("", "write both"),
                ('greatest = "x"', "add [columns.x]"),
                ('greatest = "id"', "use a column of smallint"),
                ('greatest = "ts"', "never differs"),
            )
        ),
        ('key = ["id", "ts"]', "key = []", "table.key", "name at least one"),
        ('key = ["id", "ts"]', 'key = ["id", "x"]', "table.key", "add [columns.x]"),
        ('key = ["id", "ts"]', 'key = ["id", "id"]', "table.key", "name each once"),
        ('key = ["id", "ts"]', 'key = ["id", "v"]', "columns.v.required", "required = true"),
        ('key = ["id", "ts"]', 'key = ["ts", "id"]', "table.key", "put it last"),
        ("max_length = 20", "", "columns.id.max_length", "say 128"),
        ("max_length = 20", "max_length = 601", "table.key", "keep to 600"),
        (
            "max_length = 20",
            "max_length = 20\non_too_long = 'truncate'",
            "columns.id.on_too_long",
            "remove it",
        ),
        (
            'type = "text"\nmax_length = 20',
            'type = "real"',
            "columns.id.type",
            "use bigint or text",
        ),
        (
            'type = "text"\nmax_length = 20',
            'type = "jsonb"',
            "columns.id.type",
            "use bigint or text",
        ),
        ("max_length = 20", "max_length = 0", "columns.id.max_length", "write 1 or more"),
        ("[columns.v]", "[columns.staged_on]", "columns.staged_on", "rename it"),
        ("[columns.v]", "[columns.ctid]", "columns.ctid", "rename it"),
        ("max_length = 20", "max_length = true", "columns.id.max_length", "write a whole number"),
        ('type = "timestamp"', 'type = "datetime"', "columns.ts.type", "use one of text, smallint"),
        ('type = "timestamp"', "", "columns.ts.type", "use one of text, smallint"),
        ("[columns.v]", "[columns.V]", "columns.V", "use a-z"),
        ("[columns.v]", "[columns.xmin]", "columns.xmin", "rename"),
        ("[columns.v]", f"[columns.{'v' * 64}]", f"columns.{'v' * 64}", "PostgreSQL keeps 63"),
    ],
)
def test_one_slip_gives_one_message(old: str, new: str, key: str, remedy: str) -> None:
    assert old in GOOD
    found = complaints(GOOD.replace(old, new, 1))
    assert [line for line in found if line.startswith(f"good.toml: {key}: ") and remedy in line]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("column", "key", "remedy"),
    [
        ("unti = 'm'", "unti", "did you mean unit?"),
        ("wide = 'm'", "wide", "use one of type, from"),
        ("range = [5, 1]", "range", "write [1, 5]"),
        ("range = [1]", "range", "write [least, most]"),
        ("range = [nan, 1]", "range", "write [least, most]"),
        ("range = ['a', 'b']", "range", "write [least, most]"),
        ("max_length = 5", "max_length", "it is for text"),
        ("formats = ['iso8601']", "formats", "it is for timestamp"),
        ("timezone = 'UTC'", "timezone", "it is for timestamp"),
        ("from = []", "from", "name at least one"),
        ("from = ['a', 'a']", "from", "name each once"),
        ("from = 3", "from", "write a list of texts"),
        ("from = '$when'", "from", "use one of $topic"),
        ("from = '$topic.site'", "from", "which names no level; name it there"),
        ("from = '$topic[x]'", "from", "write its place"),
        ("from = 'a..b'", "from", "write a path such as"),
        ("from = 'regs.0'", "from", "write 'regs[0]' for the element"),
        ("from = '$message.a.b.-1.c'", "from", "write 'a.b[-1]' for the element"),
        ("from = 'regs[]'", "from", "write one such as 'a[0]'"),
        ("from = 'regs[0:2]'", "from", "write one such as 'a[0]'"),
        ("from = 'temp[C]'", "from", "a name with brackets in quotation marks"),
        ("from = '[0].a'", "from", "write a path such as"),
        ("from = 'a]'", "from", "a name with brackets in quotation marks"),
        ("from = 'a}'", "from", "a name with braces in quotation marks"),
        ("from = ['a', '$topic[2]']", "from", "the topic has 2 levels; write 0 to 1"),
        ("from = '{$topic[-3]}-{a}'", "from", "the topic has 2 levels; write 0 to 1"),
        ("from = '$parent.a'", "from", "write two levels, as in readings = 'nodes[].sensors'"),
        ("missing = 'x'", "missing", "write a list"),
        ("missing = [[1]]", "missing", "use texts, numbers"),
        ("missing = [nan]", "missing", "use texts, numbers"),
        ("on_invalid = 'drop'", "on_invalid", "use one of reject, null"),
        ("required = 'yes'", "required", "write true or false"),
        ("required = true\non_invalid = 'null'", "on_invalid", "remove it or required"),
    ],
)
def test_a_slip_in_a_column_names_the_column(column: str, key: str, remedy: str) -> None:
    (line,) = complaints(GOOD + column)
    assert line.startswith(f"good.toml: columns.v.{key}: ")
    assert remedy in line


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ("type = 'text'\nrange = [1, 2]", "range"),
        ("type = 'boolean'\nrange = [0, 1]", "range"),
        ("type = 'smallint'\nrange = [0, 40000]", "range"),
        ("type = 'timestamp'\nformats = ['rfc822']", "formats"),
        ("type = 'timestamp'\nformats = ['epoch_s', 'epoch_ms']", "formats"),
        ("type = 'timestamp'\nformats = ['epoch_ms']\nfrom = '$received_at'", "formats"),
        ("type = 'timestamp'\ntimezone = 'Mars/Olympus'", "timezone"),
        ("type = 'timestamp'\ntimezone = 'localtime'", "timezone"),
        ("type = 'timestamp'\ntimezone = 'posixrules'", "timezone"),
        ("type = 'timestamp'\ntimezone = 'Factory'", "timezone"),
        ("type = 'timestamp'\ntimezone = 'right/Europe/London'", "timezone"),
        ("type = 'timestamp'\ntimezone = 'posix/Europe/London'", "timezone"),
        ("type = 'timestamp'\ntimezone = 'europe/london'", "timezone"),
        ("type = 'timestamp'\ntimezone = '../zones'", "timezone"),
        ("type = 'timestamp'\ntimezone = ''", "timezone"),
        ("type = 'timestamp'\nambiguous = 'first'", "ambiguous"),
        ("type = 'timestamp'\nnonexistent = 'skip'", "nonexistent"),
        ("type = 'text'\nmax_length = 9\nambiguous = 'reject'", "ambiguous"),
        ("type = 'float'\nfrom = 'v'", "from"),
        ("type = 'decimal'", "precision"),
        ("type = 'decimal'\nprecision = 39", "precision"),
        ("type = 'decimal'\nprecision = 3\nscale = 4", "scale"),
        ("type = 'float'\nscale = 4", "scale"),
        ("type = 'enum'", "values"),
        ("type = 'enum'\nvalues = []", "values"),
        ("type = 'enum'\nvalues = ['a', ' b']", "values"),
        ("type = 'enum'\nvalues = ['a', 'A']", "values"),
        ("type = 'enum'\nvalues = {a = [1], b = ['1.0']}", "values"),
        ("type = 'enum'\nvalues = {a = [{}]}", "values.a"),
        ("type = 'text'\nvalues = ['a']", "values"),
        ("type = 'boolean'\ntrue_values = [2]\nfalse_values = ['2.0']", "true_values"),
        ("type = 'boolean'\ntrue_values = [nan]", "true_values"),
        ("type = 'text'\npattern = '['", "pattern"),
        ("type = 'text'\npattern = ''", "pattern"),
        ("type = 'text'\npattern = '[[]'", "pattern"),
        ("type = 'text'\npattern = '(?=a)b'", "pattern"),
        ("type = 'text'\npattern = '(a)\\1'", "pattern"),
        ("type = 'bigint'\npattern = 'a'", "pattern"),
        ("type = 'text'\non_too_long = 'truncate'", "on_too_long"),
        ("type = 'text'\nmax_length = 5\non_too_long = 'cut'", "on_too_long"),
        ("type = 'float'\nattached = ['5 V']", "attached"),
        ("type = 'float'\nattached = ['']", "attached"),
        ("type = 'boolean'\ndecimal_comma = true", "decimal_comma"),
        ("type = 'float'\nround = 16", "round"),
        ("type = 'integer'\nround = 1", "round"),
        ("type = 'decimal'\nprecision = 5\nround = 1", "round"),
        ("type = 'float'\nunit_from = 'degF'", "unit"),
        ("type = 'integer'\nunit = 'm'\nunit_from = 'mm'", "unit_from"),
        ("type = 'timestamp'\nformats = '%Y-%m'", "formats"),
        ("type = 'timestamp'\nformats = '%Y-%m-%d %Q'", "formats"),
        ("type = 'timestamp'\nformats = '%Y-%m-%d %I'", "formats"),
        ("type = 'timestamp'\nformats = '%Y-%m-%d %f'", "formats"),
        ("type = 'timestamp'\nformats = '%Y-%m-%d %Y'", "formats"),
        ("type = 'timestamp'\nformats = '%Y-%m-%d%'", "formats"),
        ("type = 'timestamp'\nmax_age = '5 weeks'", "max_age"),
        ("type = 'timestamp'\nmax_future = 5", "max_future"),
        ("type = 'jsonb'\nfrom = '$topic'", "from"),
        ("type = 'jsonb'\nfrom = ['w', '$rest']", "from"),
        ("type = 'jsonb'\nmissing = ['']", "missing"),
        ("type = 'text'\nfrom = '$rest'", "type"),
        ("type = 'integer'\nconstant = 'north'", "constant"),
        ("type = 'integer'\nconstant = 1.5", "constant"),
        ("type = 'integer'\nconstant = true", "constant"),
        ("type = 'smallint'\nconstant = 32768", "constant"),
        ("type = 'integer'\nconstant = -2147483649", "constant"),
        ("type = 'bigint'\nconstant = -9223372036854775809", "constant"),
        ("type = 'bigint'\nconstant = 9223372036854775808", "constant"),
        (f"type = 'float'\nconstant = {10**400}", "constant"),
        ("type = 'real'\nconstant = 1e39", "constant"),
        ("type = 'float'\nconstant = 5\nrange = [0, 1]", "constant"),
        ("type = 'float'\nconstant = 5\nmissing = ['5.0']", "constant"),
        ("type = 'text'\nconstant = ''", "constant"),
        ("type = 'decimal'\nprecision = 4\nscale = 2\nconstant = '99.995'", "constant"),
        ("type = 'boolean'\nconstant = 'perhaps'", "constant"),
        ("type = 'enum'\nvalues = ['a']\nconstant = 'b'", "constant"),
        ("type = 'text'\nmax_length = 3\nconstant = 'north'", "constant"),
        ("type = 'text'\nconstant = \"a\\u0000b\"", "constant"),
        ("type = 'timestamp'\nconstant = 'yesterday'", "constant"),
        ("type = 'timestamp'\nconstant = '2026-02-30T00:00:00Z'", "constant"),
        ("type = 'timestamp'\nformats = ['epoch_s']\nconstant = 253402300800", "constant"),
        ("type = 'timestamp'\nformats = '%d.%m.%Y'\nconstant = '31.04.2026'", "constant"),
        (f"type = 'float'\nmissing = [{10**400}]", "missing"),
        ("type = 'float'\nmissing = ['1e999']", "missing"),
        ("type = 'enum'\nvalues = ['a']\nmissing = ['A']", "missing"),
        ("type = 'enum'\nvalues = {on = [1]}\nmissing = ['1.0']", "missing"),
        ("type = 'boolean'\ntrue_values = ['ja']\nmissing = ['JA']", "missing"),
        (f"type = 'boolean'\ntrue_values = [{10**400}]", "true_values"),
        (f"type = 'float'\nrange = [0, {10**400}]", "range"),
        ("type = 'float'\nrange = [inf, inf]", "range"),
        ("type = 'float'\nrange = [-inf, -inf]", "range"),
        ("type = 'real'\nrange = [1e39, inf]", "range"),
        ("type = 'integer'\nrange = [0.2, 0.8]", "range"),
        ("type = 'decimal'\nprecision = 4\nscale = 2\nrange = [100, inf]", "range"),
        ("type = 'decimal'\nprecision = 4\nscale = 2\nrange = [-inf, -1e300]", "range"),
        ("type = 'decimal'\nprecision = 4\nscale = 2\nrange = [0.001, 0.002]", "range"),
    ],
)
def test_a_rule_of_a_type_is_reported(column: str, key: str) -> None:
    (line,) = complaints(f"{GOOD}[columns.w]\n{column}")
    assert line.startswith(f"good.toml: columns.w.{key}: ")


@pytest.mark.parametrize(
    ("checks", "key"),
    [
        ("max_reject_share = 1.5", "max_reject_share"),
        ("warn_reject_share = -0.1", "warn_reject_share"),
        ("completeness = {nothing = 0.5}", "completeness.nothing"),
        ("completeness = {v = 2}", "completeness.v"),
        ("min_readings = -1", "min_readings"),
        ("max_rejects = 1", "max_rejects"),
    ],
)
def test_checks_are_checked(checks: str, key: str) -> None:
    (line,) = complaints(f"{GOOD}[checks]\n{checks}")
    assert line.startswith(f"good.toml: checks.{key}: ")


def test_all_mistakes_are_reported_at_once() -> None:
    text = GOOD.replace("lab/+", "lab").replace('"float"', '"double"') + "colour = 'red'"
    assert len(complaints(text)) == 3


def test_a_float_can_not_be_in_the_key() -> None:
    text = GOOD.replace('key = ["id", "ts"]', 'key = ["v"]') + "required = true"
    assert "use bigint or text" in complaints(text)[0]


def test_a_table_has_a_limit_of_columns() -> None:
    more = "".join(f"[columns.c{n}]\ntype = 'float'\n" for n in range(1600))
    assert "1600 a table holds" in complaints(GOOD + more)[0]


@pytest.mark.parametrize("text", [b"name = ", b"\xff", b"a = 1\na = 2"])
def test_what_is_not_toml_is_reported_as_such(text: bytes) -> None:
    with pytest.raises(ContractError, match=r"^good\.toml: is not (TOML|UTF-8)"):
        parse_contract(text, "good.toml")


def test_an_empty_file_asks_for_what_is_needed() -> None:
    keys = {re.split(": ", line)[1] for line in complaints("")}
    assert keys == {"name", "topic", "table.name", "table.key", "columns"}


@pytest.mark.parametrize(
    ("only", "remedy"),
    [
        ("'$topic[9]' = 'x'", "has 2 levels"),
        ("'$topic[0]' = 'elsewhere'", "is always"),
        ("'$topic[-2]' = [1, true]", "is always"),
        ("'$rest' = { present = true }", "use a member of the message"),
        ("'$rest' = 1", "use a member of the message"),
        ("'$value' = 1", "use a member of the message"),
        (f"kind = {10**400}", "write one below 1e308"),
    ],
)
def test_a_condition_that_never_holds_is_told(only: str, remedy: str) -> None:
    (line,) = complaints(f"{GOOD}[message.only]\n{only}")
    assert line.startswith("good.toml: message.only.")
    assert remedy in line


def test_a_number_of_5000_digits_is_a_mistake_and_no_crash() -> None:
    (line,) = complaints(f"{GOOD}range = [0, {'9' * 5000}]")
    assert line.startswith("good.toml: is not TOML: ")


@pytest.mark.parametrize(
    ("entry", "key", "remedy"),
    [
        ("max_length = 0x" + "f" * 5_000, "columns.v.max_length", "write one below 1e308"),
        ("range = [0, 0x" + "f" * 5_000 + "]", "columns.v.range", "write one below 1e308"),
        ("constant = " + "9" * 5_000, "is not TOML", "4300 digits"),
        ("missing" + ".a" * 5_000 + " = 1", "columns.v.missing.a", "write it flatter"),
        ("missing = " + "[" * 9_000 + "]" * 9_000, "is not TOML", "nested too deeply"),
    ],
)
def test_what_python_can_not_write_is_refused_in_a_sentence(
    entry: str, key: str, remedy: str
) -> None:
    (line,) = complaints(f"{GOOD}{entry}\n")
    assert line.startswith(f"good.toml: {key}")
    assert remedy in line
    assert len(line) < 600


def test_a_column_is_judged_by_its_limits_only_if_they_are_sound() -> None:
    entries = "[columns.d]\ntype = 'decimal'\nprecision = 9999999999\nrange = [0, 1]\n"
    (line,) = complaints(f"{GOOD}{entries}")
    assert line == "good.toml: columns.d.precision: 9999999999 is not valid here; write 1 to 38"


def test_many_problems_are_counted_after_the_first_hundred() -> None:
    found = complaints(f"{GOOD}missing = {[[]] * 150}\n")
    assert len(found) == 101
    assert found[-1] == "good.toml: and 50 more problems; correct these first"


@pytest.mark.parametrize(
    ("message", "key", "remedy"),
    [
        ("unpack = 5", "message.unpack", "write a table such as"),
        ("unpack = {}", "message.unpack.member", "add it"),
        ('unpack = { member = "a.0" }', "message.unpack.member", "write 'a[0]'"),
        ('unpack = { member = "a", as = "x" }', "message.unpack.as", "use one of member"),
        (
            'unpack = { member = "a", encoding = ["rot13"] }',
            "message.unpack.encoding",
            "use some of",
        ),
        ('unpack = { member = "a", encoding = ["gzip"] }', "message.unpack.encoding", "before it"),
        ('unpack = { member = "a", format = "cbor" }', "message.unpack.encoding", "write 'base64'"),
        ('unpack = { member = "a", format = "xml" }', "message.unpack.format", "use one of"),
        ('unpack = [{ member = "a" }, { member = "a" }]', "message.unpack", "in one list"),
        ('format = "ndjson"\nunpack = { member = "a" }', "message.unpack", "leave it out"),
        ('pairs = { name = "n" }', "message.pairs", "is for shape = 'pairs'"),
        ('readings = "d"\nshape = "pairs"\npairs = {}', "message.pairs.name", "add it"),
        (
            'readings = "d"\nshape = "pairs"\npairs = { name = "n", by = ["a.b"] }',
            "message.pairs.by",
            "name a member",
        ),
        ('format = "csv"\nreadings = "$message[].a"', "message.readings", "leave it out"),
        ('format = "ndjson"\nreadings = "a"', "message.readings", "or write '$message[].a'"),
    ],
)
def test_mistakes_about_what_is_in_a_message_are_named(message: str, key: str, remedy: str) -> None:
    found = complaints(GOOD.replace("[table]", f"[message]\n{message}\n[table]"))
    assert any(line.startswith(f"good.toml: {key}: ") and remedy in line for line in found), found


def test_lines_may_have_arrays_of_any_shape_in_them() -> None:
    nested = 'format = "ndjson"\nreadings = "$message[].a"\nshape = "keyed"'
    contract = parse_contract(
        GOOD.replace("[table]", f"[message]\n{nested}\n[table]").encode(), "good.toml"
    )
    assert (contract.parents, contract.readings, contract.shape) == ((), ("a",), "keyed")
