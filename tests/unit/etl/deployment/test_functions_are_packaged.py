"""A function's zip holds its own package and the contract, and is named by its contents."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from etl.deployment.packaging import FunctionZip, PackageError, Packages, build_function
from functions.inventory import FUNCTIONS
from layers.build import BuiltLayer
from layers.target import LAYERS
from workflow.limits import UNZIPPED

FLEET = Path("contracts/fleet.toml")
PACKAGES = sorted({spec.package for spec in FUNCTIONS})


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_zip_holds_its_own_package_and_the_contract(package, tmp_path):
    held = names(build_function(package, [FLEET], folder=tmp_path).path)
    assert {"contract.toml", "functions/__init__.py"} <= set(held)
    folders = {name.split("/")[1] for name in held if name.count("/") > 1}
    assert folders == {package}
    assert not [name for name in held if "telemetry" in name or "__pycache__" in name]


def test_building_again_gives_the_same_bytes(tmp_path):
    first = build_function("extract", [FLEET], folder=tmp_path / "one")
    second = build_function("extract", [FLEET], folder=tmp_path / "two")
    assert first.digest == second.digest
    assert first.path.read_bytes() == second.path.read_bytes()


def test_another_contract_is_another_zip(tmp_path):
    other = tmp_path / "other.toml"
    other.write_bytes(FLEET.read_bytes() + b"\n# changed\n")
    first = build_function("extract", [FLEET], folder=tmp_path)
    assert build_function("extract", [other], folder=tmp_path).digest != first.digest


def test_every_handler_of_the_inventory_is_in_its_zip(tmp_path):
    for spec in FUNCTIONS:
        held = names(build_function(spec.package, [FLEET], folder=tmp_path).path)
        assert f"functions/{spec.package}/handler.py" in held


def packages_of(tmp_path: Path, layer_bytes: int) -> Packages:
    return Packages(
        functions={
            name: FunctionZip(package=name, path=tmp_path / name, digest="d", unzipped=1000)
            for name in PACKAGES
        },
        layers={
            layer: BuiltLayer(name=layer, path=tmp_path / layer, digest="d", unzipped=layer_bytes)
            for layer in LAYERS
        },
    )


def test_a_function_too_large_with_its_layers_is_named(tmp_path):
    half = UNZIPPED.most // 2
    assert packages_of(tmp_path, half - 1000).problems() == []
    problems = packages_of(tmp_path, half).problems()
    assert [problem.split(":")[0] for problem in problems] == ["transform", "load", "migrate"]
    assert "262,144,000 at most" in problems[0]


def test_the_gate_stops_a_build(tmp_path, monkeypatch):
    from etl.deployment import packaging as artifacts
    from layers.target import host_target

    monkeypatch.setattr(
        artifacts, "build_layers", lambda *_, **__: packages_of(tmp_path, UNZIPPED.most).layers
    )
    with pytest.raises(PackageError, match="transform"):
        artifacts.build_packages([FLEET], host_target(), folder=tmp_path)


def test_each_key_in_the_bucket_names_its_content(tmp_path):
    packages = packages_of(tmp_path, 10)
    assert packages.artifacts.functions["extract"] == "functions/extract-d.zip"
    assert set(packages.uploads) == {
        *packages.artifacts.functions.values(),
        *packages.artifacts.layers.values(),
    }
