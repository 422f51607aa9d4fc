"""Emulators of one copy of the project share what a large layer unpacks to, and nothing small."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from local.emulator.launcher import Emulator
from tests.integration.local.emulator.conftest import ROLE, RUNTIME, zipped
from tests.integration.local.emulator.test_breaking_it_on_purpose import client

SOURCE = (
    "import inside, small\ndef handle(e, c): return [inside.__file__, small.__file__, __file__]"
)
BALLAST = "x" * 5_000_000


def run_in_an_emulator(folder: Path, shared: Path, large: bytes) -> list[Path]:
    """Where a function of a fresh emulator finds a large layer, a small one and its own code."""
    server = Emulator(folder, xray_port=9, variables={"EMULATOR_UNPACKED": str(shared)})
    try:
        functions = client(server.start(), "lambda")
        layers = [
            functions.publish_layer_version(LayerName=name, Content={"ZipFile": content})
            for name, content in (("large", large), ("small", zipped({"python/small.py": ""})))
        ]
        functions.create_function(
            FunctionName="f",
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="module.handle",
            Code={"ZipFile": zipped({"module.py": SOURCE})},
            Timeout=120,
            Layers=[layer["LayerVersionArn"] for layer in layers],
        )
        answer = functions.invoke(FunctionName="f")["Payload"].read().decode()
        return [Path(one.strip('" ')) for one in answer.strip("[]").split(",")]
    finally:
        server.stop()


def test_the_next_emulator_finds_a_large_layer_unpacked(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    abandoned = shared / f"{ended.pid}-begun"
    under_way = shared / f"{os.getpid()}-begun"
    for folder in (abandoned, under_way):
        folder.mkdir(parents=True)
    large = zipped({"python/inside.py": "", "ballast": BALLAST})
    first = run_in_an_emulator(tmp_path / "a", shared, large)
    assert not abandoned.exists()
    assert under_way.exists()
    unpacked = first[0].stat()
    second = run_in_an_emulator(tmp_path / "b", shared, large)
    assert first[0] == second[0]
    assert first[0].is_relative_to(shared)
    assert (first[0].stat().st_ino, first[0].stat().st_mtime_ns) == (
        unpacked.st_ino,
        unpacked.st_mtime_ns,
    )
    for folder, paths in ((tmp_path / "a", first), (tmp_path / "b", second)):
        assert all(path.is_relative_to(folder / "tmp") for path in paths[1:])
        assert not (folder / "tmp").exists()


def test_a_folder_that_cannot_be_written_is_not_used(tmp_path: Path) -> None:
    large = zipped({"python/inside.py": "", "ballast": BALLAST})
    # No user, not even root, can write below a folder that isn't there.
    paths = run_in_an_emulator(tmp_path / "a", tmp_path / "missing" / "shared", large)
    assert all(path.is_relative_to(tmp_path / "a" / "tmp") for path in paths)
