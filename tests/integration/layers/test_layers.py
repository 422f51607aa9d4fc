"""Layers are built for their target, the same byte for byte, and once.

The wheels in ``.build/wheels`` are fetched by the first build on a machine; from then on these
tests need no network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from etl.deployment.packaging import build_packages
from functions.inventory import FUNCTIONS
from layers import build
from layers.build import (
    BUILD_FOLDER,
    LayerBuildError,
    build_layer,
    build_layers,
    layer_digest,
)
from layers.target import AWS_TARGET, RuntimeTarget, host_target
from workflow.limits import UNZIPPED

HOST = host_target()
FLEET = Path("contracts/fleet.toml")
SMALL_LAYERS = ["shared", "postgres"]


@pytest.fixture(scope="module")
def cached():
    return build_layers(HOST)


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


@pytest.fixture
def offline_folder(cached, tmp_path):
    """An empty build folder with the wheels of the real one: pip then asks no index."""
    (tmp_path / "wheels").symlink_to((BUILD_FOLDER / "wheels").resolve())
    return tmp_path


@pytest.mark.parametrize("name", SMALL_LAYERS)
def test_building_twice_gives_the_same_bytes(name, cached, offline_folder):
    again = build_layer(name, HOST, folder=offline_folder)
    assert again.path.parent != cached[name].path.parent
    assert again.path.read_bytes() == cached[name].path.read_bytes()


def test_a_built_layer_is_not_built_again(cached, monkeypatch):
    def no_pip(*arguments: str) -> None:
        raise AssertionError(f"pip {arguments[0]} was called")

    monkeypatch.setattr(build, "_pip", no_pip)
    told: list[str] = []
    assert build_layers(HOST, notify=told.append) == cached
    assert told == []


def test_everything_lies_where_lambda_looks_for_it(cached):
    for layer in cached.values():
        assert all(name.startswith("python/") for name in names(layer.path)), layer.name


@pytest.mark.parametrize(
    ("layer", "package"),
    [
        ("shared", "telemetry"),
        ("shared", "aws_xray_sdk"),
        ("shared", "aws_lambda_powertools"),
        ("polars", "polars"),
        ("postgres", "psycopg2"),
    ],
)
def test_each_layer_holds_its_packages(cached, layer, package):
    assert f"python/{package}/__init__.py" in names(cached[layer].path)


def test_what_the_runtime_brings_is_left_out(cached):
    packages = {name.split("/")[1] for layer in cached.values() for name in names(layer.path)}
    assert not packages & {"boto3", "botocore", "s3transfer", "urllib3", "bin"}


def test_nothing_is_shipped_that_is_not_used_or_not_reproducible(cached):
    unused = ("/__pycache__/", "/tests/", "/RECORD", "/INSTALLER", ".pyc", ".pyi")
    for layer in cached.values():
        assert not [n for n in names(layer.path) if any(text in n for text in unused)], layer.name


def test_every_function_fits_with_its_layers():
    packages = build_packages([FLEET], HOST)
    for spec in FUNCTIONS:
        assert packages.unzipped(spec) < UNZIPPED.most, spec.name


@pytest.mark.parametrize("name", ["shared", "postgres", "polars"])
def test_a_layer_imports_on_its_own(cached, name, tmp_path):
    """Isolated from this environment's packages, but for boto3's, which the runtime has."""
    modules = {"shared": "telemetry.errors", "polars": "polars", "postgres": "psycopg2"}
    with zipfile.ZipFile(cached[name].path) as archive:
        archive.extractall(tmp_path)
    program = f"import sys; sys.path.insert(0, sys.argv[1]); import {modules[name]}"
    command = [sys.executable, "-I", "-S", "-c", program, str(tmp_path / "python")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "target",
    [
        RuntimeTarget(python="3.13", architecture="arm64"),
        RuntimeTarget(python="3.13", architecture="x86_64"),
        RuntimeTarget(python="3.12", architecture="arm64"),
        HOST,
    ],
    ids=lambda target: target.label,
)
def test_each_target_is_another_layer(target):
    others = [t for t in (AWS_TARGET, HOST) if t != target]
    assert all(layer_digest("polars", target) != layer_digest("polars", t) for t in others)


def test_our_own_sources_are_part_of_the_shared_layers_digest(tmp_path, monkeypatch):
    before = layer_digest("shared", HOST)
    copy = tmp_path / "layers"
    shutil.copytree(build.LAYERS_FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(build, "LAYERS_FOLDER", copy)
    assert layer_digest("shared", HOST) == before
    errors = copy / "shared" / "telemetry" / "errors.py"
    errors.write_text(errors.read_text() + "\n# changed\n")
    assert layer_digest("shared", HOST) != before


def test_wheels_for_lambda_are_asked_for_by_platform_and_version():
    options = build._platform_options(AWS_TARGET)
    assert options[:4] == ["--python-version", "3.13", "--implementation", "cp"]
    platforms = [value for value in options if value.startswith("manylinux")]
    assert platforms[0] == "manylinux_2_34_aarch64"
    assert platforms[-1] == "manylinux2014_aarch64"
    assert build._platform_options(HOST) == []


def test_wheels_newer_than_the_runtimes_own_libraries_are_not_taken():
    options = build._platform_options(RuntimeTarget(python="3.11", architecture="x86_64"))
    assert "manylinux_2_26_x86_64" in options
    assert "manylinux_2_28_x86_64" not in options


def test_a_layer_that_cannot_be_built_says_why_and_what_to_do(tmp_path, monkeypatch):
    copy = tmp_path / "layers"
    (copy / "postgres").mkdir(parents=True)
    (copy / "postgres" / "requirements.txt").write_text("psycopg2-binary is what we need\n")
    monkeypatch.setattr(build, "LAYERS_FOLDER", copy)
    with pytest.raises(LayerBuildError, match="Invalid requirement") as failed:
        build_layer("postgres", HOST, folder=tmp_path)
    assert "make lock" in str(failed.value)


@pytest.mark.slow
def test_layers_for_lambda_hold_its_own_processors_libraries():
    wheels = BUILD_FOLDER / "wheels" / AWS_TARGET.label
    if not wheels.exists():
        pytest.skip(f"no wheels for {AWS_TARGET.label} yet: run `python -m layers.build` once")
    for name, machine in (("postgres", "aarch64"), ("polars", "aarch64")):
        layer = build_layer(name, AWS_TARGET)
        with zipfile.ZipFile(layer.path) as archive:
            libraries = [n for n in archive.namelist() if n.endswith(".so")]
            # The machine a shared library is for: bytes 18 and 19 of its ELF header.
            kinds = {archive.open(n).read(20)[18:20] for n in libraries}
        assert libraries, name
        assert kinds == {{"aarch64": b"\xb7\x00"}[machine]}, name
