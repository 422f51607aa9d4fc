"""Units by name become numbers where a contract is packaged; functions read those."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from etl.authoring.units import conversion, resolve_units
from etl.deployment.packaging import build_function
from functions.transform.clean import clean
from telemetry.contract import Contract, load_contracts, parse_contract
from telemetry.contract.conversions import dump_conversions, with_conversions
from telemetry.contract.model import Conversion
from telemetry.errors import ContractError
from tests.unit.functions.transform.envelopes_for import contract_of, lines

CONTRACT = """
name = "units"
topic = "lab/+"
[table]
name = "units"
key = ["id"]
[columns.id]
type = "integer"
required = true
[columns.v]
type = "float"
unit = "degC"
unit_from = "degF"
"""


@pytest.mark.parametrize(
    ("unit_from", "unit", "steps"),
    [
        ("degF", "degC", Conversion(5, -160, 9)),
        ("kelvin", "°C", Conversion(20, -5463, 20)),
        ("km/h", "m/s", Conversion(5, 0, 18)),
        ("mV", "V", Conversion(1, 0, 1000)),
        ("mg/m**3", "µg/m³", Conversion(1000, 0, 1)),
        ("deg", "rad", Conversion(0.017453292519943295, 0, 1)),
    ],
)
def test_whole_numbers_where_there_are_any(unit_from: str, unit: str, steps: Conversion) -> None:
    assert conversion(unit_from, unit) == steps


@pytest.mark.parametrize(
    ("unit_from", "unit", "complaint"),
    [
        ("foo", "m", "not defined"),
        ("m", "s", "measure different quantities"),
        ("dBm", "mW", "can't be converted"),
        ("m +", "s", "can't be converted"),
    ],
)
def test_what_can_not_be_converted_is_named(unit_from: str, unit: str, complaint: str) -> None:
    contract = contract_of(
        f"[columns.v]\ntype = 'float'\nunit = '{unit}'\nunit_from = '{unit_from}'"
    )
    with pytest.raises(ContractError, match=rf"columns\.v\.unit_from: .*{complaint}"):
        resolve_units(contract)


def test_the_numbers_ship_beside_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(CONTRACT)
    built = build_function("transform", path, folder=tmp_path / "build")
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(tmp_path / "task")
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path / "task"))
    contract = load_contracts().first
    assert contract.column("v").conversion == Conversion(5, -160, 9)
    assert clean(lines(b'{"id":1,"v":68}'), contract).rows["v"].to_list() == [20.0]


def test_without_the_numbers_nothing_is_converted_in_silence() -> None:
    contract = contract_of("[columns.v]\ntype = 'float'\nunit = 'degC'\nunit_from = 'degF'")
    with pytest.raises(ContractError, match="deploy it with this version"):
        clean(lines(b'{"id":1,"v":68}'), contract)


def test_numbers_of_another_contract_are_refused() -> None:
    contract = resolve_units(
        contract_of("[columns.v]\ntype = 'float'\nunit = 'degC'\nunit_from = 'degF'")
    )
    other = contract_of("[columns.v]\ntype = 'float'\nunit = 'K'\nunit_from = 'degF'")
    assert with_conversions(contract, dump_conversions(contract)) == contract
    for told in (b"{", b"{}", dump_conversions(contract)):
        with pytest.raises(ContractError, match="deploy it again"):
            with_conversions(other, told)


def test_an_expression_that_only_python_takes_stops_the_packaging(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(CONTRACT + "[columns.w]\ntype = 'text'\npattern = '(?a:x)'\n")
    with pytest.raises(ContractError, match=r"columns\.w\.pattern: unrecognized flag"):
        build_function("transform", path, folder=tmp_path / "build")


def test_no_function_imports_the_units_library() -> None:
    modules = "functions.transform.handler, functions.load.handler, functions.migrate.handler"
    told = f"import sys, {modules}; print('pint' in sys.modules)"
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, env=found
    )
    assert done.stdout == "False\n"


def _parsed(text: str) -> Contract:
    return parse_contract(text.encode(), "units.toml")


SEVERAL = CONTRACT.replace('"degF"', '{from = "u", units = {degF = ["F"], kelvin = []}}')


def test_several_units_travel_beside_the_contract() -> None:
    contract = _parsed(SEVERAL)
    resolved = resolve_units(contract)
    shipped = with_conversions(contract, dump_conversions(resolved))
    member = shipped.columns[1].unit_member
    assert member is not None
    assert member.conversions == (Conversion(5, -160, 9), Conversion(20, -5463, 20))
    batch = clean(
        lines({"id": 1, "v": 68, "u": "F"}, {"id": 2, "v": 293.15, "u": "kelvin"}), shipped
    )
    assert batch.rows["v"].to_list() == [20.0, 20.0]
    with pytest.raises(ContractError, match="deploy it again"):
        with_conversions(_parsed(SEVERAL.replace("kelvin", "degR")), dump_conversions(resolved))


def test_units_of_another_quantity_are_refused_among_several() -> None:
    with pytest.raises(ContractError, match="measure different quantities"):
        resolve_units(_parsed(SEVERAL.replace("kelvin", "hPa")))
