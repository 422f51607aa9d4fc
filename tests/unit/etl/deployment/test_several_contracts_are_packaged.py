"""Each function's zip holds all contracts of its pipeline, as ``load_contracts`` reads them."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from etl.deployment import packaging
from etl.deployment.packaging import build_function, build_packages
from layers.target import LAYERS, OPTIONAL_LAYERS, host_target
from telemetry.contract import load_contracts
from telemetry.contract.conversions import Conversion
from telemetry.errors import ContractError
from tests.fixtures.contract_files import write_contract

IN_FAHRENHEIT = '[columns.v]\ntype = "float"\nunit = "degC"\nunit_from = "degF"\n'
DECODER = "def decode(payload, envelope):\n    return [{}]\n"


def unpacked(folder: Path, files: list[Path]) -> Path:
    built = build_function("transform", files, folder=folder / "build")
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(folder / "task")
    return folder / "task"


def with_decoder(folder: Path, name: str, text: str) -> Path:
    (folder / name).mkdir()
    (folder / name / "decode.py").write_text(text)
    path = write_contract(folder / name, name)
    message = '\n[message]\nformat = "decoder"\ndecoder = "decode.py:decode"\n'
    path.write_text(path.read_text() + message)
    return path


def test_a_function_reads_them_in_the_order_of_the_settings(tmp_path, monkeypatch):
    files = [write_contract(tmp_path, name) for name in ("uplink", "status", "alarm-log")]
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(unpacked(tmp_path, files)))
    assert load_contracts().names == ("uplink", "status", "alarm-log")


def test_the_order_holds_beyond_nine_further_contracts(tmp_path, monkeypatch):
    names = ["a", *(f"k{number}" for number in range(12, 0, -1))]
    files = [write_contract(tmp_path, name) for name in names]
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(unpacked(tmp_path, files)))
    assert load_contracts().names == tuple(names)


def test_each_has_its_own_units_and_files(tmp_path, monkeypatch):
    files = [
        with_decoder(tmp_path, "one", DECODER),
        with_decoder(tmp_path, "two", DECODER + "# another\n"),
        write_contract(tmp_path, "lab", columns=IN_FAHRENHEIT),
    ]
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(unpacked(tmp_path, files)))
    one, two, lab = load_contracts()
    assert one.files[0].content == DECODER.encode()
    assert two.files[0].content == DECODER.encode() + b"# another\n"
    assert lab.column("v").conversion == Conversion(5, -160, 9)


def test_a_zip_with_one_contract_has_no_folder_of_others(tmp_path):
    task = unpacked(tmp_path, [write_contract(tmp_path, "uplink")])
    assert sorted(path.name for path in task.iterdir()) == ["contract.toml", "functions"]


def test_the_digest_of_one_contract_is_that_of_its_files_as_before(tmp_path):
    file = write_contract(tmp_path, "uplink")
    package = Path("functions/extract")
    names = ["functions/__init__.py", *(str(path) for path in package.rglob("*.py"))]
    content = {"contract.toml": file.read_bytes()} | {n: Path(n).read_bytes() for n in names}
    digest = hashlib.sha256()
    for name in sorted(content):
        digest.update(f"{name}\0{len(content[name])}\0".encode() + content[name])
    built = build_function("extract", [file], folder=tmp_path / "build")
    assert built.digest == digest.hexdigest()[:16]


@pytest.mark.parametrize(
    ("formats", "layers"),
    [(("json", "json"), LAYERS), (("json", "cbor"), (*LAYERS, *OPTIONAL_LAYERS))],
)
def test_the_libraries_of_formats_are_a_layer_where_any_contract_needs_them(
    tmp_path, monkeypatch, formats, layers
):
    files = []
    for number, name in enumerate(formats):
        files.append(write_contract(tmp_path, f"c{number}"))
        files[-1].write_text(files[-1].read_text() + f'[message]\nformat = "{name}"\n')
    asked = []
    monkeypatch.setattr(
        packaging, "build_layers", lambda _target, names, **_: asked.append(names) or {}
    )
    monkeypatch.setattr(packaging.Packages, "problems", lambda _: [])
    build_packages(files, host_target(), folder=tmp_path / "build")
    assert asked == [layers]


@pytest.mark.parametrize("place", [0, 1])
def test_what_would_fail_at_run_time_stops_the_packaging_in_each_contract(tmp_path, place):
    bad = write_contract(
        tmp_path, "lab", columns="[columns.w]\ntype = 'text'\npattern = '(?a:x)'\n"
    )
    files = [write_contract(tmp_path, "uplink")]
    files.insert(place, bad)
    with pytest.raises(ContractError, match=r"columns\.w\.pattern: unrecognized flag"):
        build_function("transform", files, folder=tmp_path / "build")


def test_a_decoder_that_raises_stops_the_packaging_of_a_further_contract(tmp_path):
    files = [write_contract(tmp_path, "uplink"), with_decoder(tmp_path, "own", "1 / 0\n")]
    with pytest.raises(ContractError, match="ZeroDivisionError"):
        build_function("transform", files, folder=tmp_path / "build")
