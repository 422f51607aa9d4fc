"""Checks that the deployed functions run what their layers were built for."""

from __future__ import annotations

from collections.abc import Iterator

from etl.doctor.check_result import CheckResult, failed, passed
from etl.doctor.examination import Examination
from functions.inventory import FUNCTIONS

__all__ = ["check_deployed_functions"]

NAME = "deployed functions"


def check_deployed_functions(examination: Examination) -> Iterator[CheckResult]:
    """Compare runtime and processor of each function with those of its layers, and its state."""
    client, outputs = examination.target.client("lambda"), examination.target.outputs
    problems: list[str] = []
    for spec in FUNCTIONS:
        found = client.get_function_configuration(FunctionName=outputs[f"{spec.title}FunctionName"])
        if found.get("State", "Active") not in ("Active", "Inactive"):
            problems.append(f"{spec.name} is {found['State']}: {found.get('StateReason', '')}")
        architecture = (found.get("Architectures") or ["x86_64"])[0]
        for layer in found.get("Layers", ()):
            version = client.get_layer_version_by_arn(Arn=layer["Arn"])
            runtimes = version.get("CompatibleRuntimes") or [found["Runtime"]]
            processors = version.get("CompatibleArchitectures") or [architecture]
            if found["Runtime"] not in runtimes or architecture not in processors:
                problems.append(
                    f"{spec.name} runs {found['Runtime']} on {architecture}, its layer "
                    f"{layer['Arn'].split(':')[-2]} is for {', '.join(runtimes)} on "
                    f"{', '.join(processors)}"
                )
    if problems:
        yield failed(NAME, "; ".join(problems), "run `etl deploy`, which sets both alike")
    else:
        yield passed(NAME, f"{len(FUNCTIONS)} functions are active, and their layers fit them")
