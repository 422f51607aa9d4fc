"""Messages as public documents of their formats have them become the rows written by hand."""

from __future__ import annotations

import csv
import io

import pytest

from etl.authoring.units import resolve_units
from functions.transform.clean import clean
from functions.transform.copy import copy_csv
from tests.fixtures.payload_families import (
    FAMILIES,
    FOLDER,
    contract_of_family,
    expected_rows,
    messages_file,
)

GUIDE = (FOLDER.parents[2] / "docs" / "payload-families.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("bulk", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_messages_of_the_family_become_its_rows(name: str, bulk: bool) -> None:
    contract = resolve_units(contract_of_family(name))
    batch = clean(messages_file(name).read_bytes(), contract, bulk=bulk)
    assert batch.rejects == []
    assert batch.conflicts == []
    assert list(csv.reader(io.StringIO(copy_csv(batch.rows).decode()))) == expected_rows(name)


def test_the_guide_lists_every_family() -> None:
    for name in FAMILIES:
        assert f"(../contracts/examples/families/{name}.toml)" in GUIDE, name
