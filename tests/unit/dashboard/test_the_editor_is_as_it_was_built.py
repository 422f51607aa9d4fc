"""The bundled editor: its checksum is the recorded one, and its parts are those of the lock file."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
VENDOR = ROOT / "dashboard/static/vendor"
SOURCES = ROOT / "dashboard/editor"
LOCK = json.loads((SOURCES / "package-lock.json").read_text())
PACKAGES = dict(
    re.findall(r"^// (\S+) (\S+) \(MIT\)$", (VENDOR / "editor.js").read_text(), re.MULTILINE)
)


def test_the_checksums_are_the_recorded_ones() -> None:
    recorded = dict(
        reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text().splitlines()
    )
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDOR.iterdir()
        if file.name != "SHA256SUMS"
    }
    assert found == recorded


def test_its_packages_are_those_of_the_lock_file() -> None:
    locked = {
        name.removeprefix("node_modules/"): entry["version"]
        for name, entry in LOCK["packages"].items()
        if name and not entry.get("dev") and not entry.get("optional")
    }
    assert PACKAGES.items() <= locked.items()
    declared = json.loads((SOURCES / "package.json").read_text())["dependencies"]
    assert set(declared) <= set(PACKAGES)


def test_each_package_has_its_licence() -> None:
    parts = (VENDOR / "LICENSES.txt").read_text().split("-" * 79)
    assert len(parts) == len(PACKAGES)
    for part, (name, version) in zip(parts, sorted(PACKAGES.items()), strict=True):
        assert part.lstrip().startswith(f"{name} {version} (MIT)")
        assert "Permission is hereby granted, free of charge" in part
        assert "Copyright (C)" in part


def test_the_lock_file_has_hashes_and_names_no_server() -> None:
    text = (SOURCES / "package-lock.json").read_text()
    assert "resolved" not in text
    assert "://" not in re.sub(r'"url": "[^"]*"', "", text)
    assert all("integrity" in entry for name, entry in LOCK["packages"].items() if name)
