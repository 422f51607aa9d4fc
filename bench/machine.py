"""A description of the machine and the versions, without names of host or user."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from local.postgres import binary

__all__ = ["describe", "processor"]

PACKAGES = (
    *("polars", "psycopg2-binary", "orjson", "pandas", "duckdb", "pyarrow", "sqlalchemy"),
    *("adbc-driver-postgresql", "awswrangler", "dlt"),
)


def describe() -> dict[str, str]:
    """Properties of the machine, by name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    server = subprocess.run(
        [str(binary("postgres")), "--version"], check=True, capture_output=True, text=True
    )
    return {
        "processor": processor(),
        "cores": str(cores),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PostgreSQL": server.stdout.split()[-1],
        **{name: version(name) for name in PACKAGES},
    }


def processor() -> str:
    """Model name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
