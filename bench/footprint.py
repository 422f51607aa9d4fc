"""The functions' footprint: peak memory of Transform, cold imports, zip sizes.

Usage: ``python -m bench.footprint [--quick]``, in the environment of ``make test``, which packaging
needs. Each sample is taken in a new process of this interpreter.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measurement import Case, Measurement, interleaved, print_results
from bench.messages import CONTRACT, raw_lines
from etl.deployment.packaging import build_function
from functions.inventory import FUNCTIONS, FunctionSpec
from layers.build import build_layers
from layers.target import host_target

FULL_BATCH = 64 << 20
"""Bytes of uncompressed lines: the largest micro-batch of Extract."""
MEMORY, IMPORT, ZIP = "peak memory of transform", "cold import", "zip size"

_TRANSFORM = """
import gzip, sys
from pathlib import Path
from functions.transform.handler import decompress, transform
from telemetry.contract import load_contract
raw = decompress(Path(sys.argv[1]).read_bytes(), "raw")
transform(raw, load_contract(Path(sys.argv[2])), "raw/2026/03/01/bench/b.n1.ndjson.gz", "bench")
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss there is inherited from the process that started this one
    print(int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024)
else:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
_IMPORT = """
import sys, time
started = time.perf_counter()
for module in sys.argv[1:]:
    __import__(module)
print(time.perf_counter() - started)
"""


def _in_new_process(code: str, *arguments: str) -> float:
    command = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "POWERTOOLS_SERVICE_NAME": "bench"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout.splitlines()[-1])


def peak_memory(size: int, samples: int) -> list[Measurement]:
    """MiB of a new process that transforms ``size`` bytes of lines, by readings per message."""
    found = []
    for each in (20, 1):
        few = raw_lines(2_000, each=each)
        raw = raw_lines(2_000 * size // len(few), each=each)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "raw.ndjson.gz"
            path.write_bytes(gzip.compress(raw, 1))
            peaks = [
                _in_new_process(_TRANSFORM, str(path), str(CONTRACT)) / 2**20
                for _ in range(samples)
            ]
        name = f"{each} reading{'s' if each > 1 else ''} per message"
        found.append(Measurement(MEMORY, name, "MiB", peaks))
    return found


def cold_imports(rounds: int) -> list[Measurement]:
    """Seconds to import each function's handler and the clients that its first call imports."""
    cases = [
        Case(spec.name, lambda spec=spec: _in_new_process(_IMPORT, *_modules(spec)), 1)
        for spec in FUNCTIONS
    ]
    rates = interleaved(IMPORT, "1/s", cases, rounds)
    return [Measurement(IMPORT, one.name, "s", [1 / rate for rate in one.samples]) for one in rates]


def _modules(spec: FunctionSpec) -> tuple[str, ...]:
    handler = spec.handler.rpartition(".")[0]
    return (handler, "boto3", "psycopg2") if spec.database else (handler, "boto3")


def zip_sizes() -> list[Measurement]:
    """Sizes of the uploaded zip files: KiB of each function, MiB of each layer."""
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        for package in sorted({spec.package for spec in FUNCTIONS}):
            built = build_function(package, [CONTRACT], folder=Path(folder))
            kib = built.path.stat().st_size / 2**10
            sizes.append(Measurement(ZIP, f"function {package}", "KiB", [kib]))
    for name, layer in build_layers(host_target()).items():
        mib = layer.path.stat().st_size / 2**20
        sizes.append(Measurement(ZIP, f"layer {name}", "MiB", [mib]))
    return sizes


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    print_results(
        [
            *peak_memory(1 << 20 if quick else FULL_BATCH, 1 if quick else 3),
            *cold_imports(1 if quick else 7),
            *zip_sizes(),
        ]
    )
