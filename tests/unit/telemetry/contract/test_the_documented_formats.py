"""Each example of a format in docs/contract-formats.md gives the rows that stand below it."""

from __future__ import annotations

import re
import tomllib
from typing import get_args

import pytest

from functions.transform.clean import clean
from functions.transform.copy import copy_csv
from telemetry.contract import parse_contract
from telemetry.contract.files import with_files
from telemetry.contract.model import Format
from tests.unit.functions.transform.envelopes_for import line
from tests.unit.functions.transform.formats.descriptors import descriptor_set
from tests.unit.telemetry.contract.documented import PAGE

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
FOUR = zip(BLOCKS, BLOCKS[1:], BLOCKS[2:], [*BLOCKS[3:], ("", "")], strict=False)
EXAMPLES = [
    (toml, b"", kind, sent, rows) for (_, toml), (kind, sent), (_, rows), _ in FOUR
    if kind in ("text", "hex") and "format = " in toml
]  # fmt: skip
FOUR = zip(BLOCKS, BLOCKS[1:], BLOCKS[2:], BLOCKS[3:], strict=False)
EXAMPLES += [
    (toml, descriptor_set(source) if beside == "protobuf" else source.encode(), kind, sent, rows)
    for (_, toml), (beside, source), (kind, sent), (_, rows) in FOUR
    if beside in ("python", "protobuf") and kind == "hex"
]  # fmt: skip


def test_every_format_has_an_example_and_a_row_of_the_table() -> None:
    formats = {tomllib.loads(toml)["message"].get("format", "decoder") for toml, *_ in EXAMPLES}
    assert formats == set(get_args(Format)) - {"json"}
    assert all(f'| `"{name}"` |' in PAGE for name in get_args(Format))


@pytest.mark.parametrize("bulk", [True, False])
@pytest.mark.parametrize(("toml", "beside", "kind", "sent", "rows"), EXAMPLES)
def test_an_example_gives_its_rows(
    toml: str, beside: bytes, kind: str, sent: str, rows: str, bulk: bool
) -> None:
    columns = tomllib.loads(toml)["columns"]
    key = [name for name, column in columns.items() if column.get("required")]
    head = f'name = "page"\ntopic = "lab/+"\n[table]\nname = "page"\nkey = {key}\n'
    sized = re.sub(r'type = "text"', 'type = "text"\nmax_length = 64', toml)
    contract = parse_contract((head + sized).encode(), "docs/contract.md")
    contract = with_files(contract, lambda _: beside)
    payload = sent.encode()
    if kind == "hex":
        payload = bytes.fromhex(re.sub(r"#.*", "", sent))
    envelope = line(payload, 1, topic="lab/box-7", received_at=1772366400000)
    batch = clean(envelope, contract, bulk=bulk)
    assert batch.rejects == []
    assert copy_csv(batch.rows).decode() == rows
