"""The functions stand on their layers and on nothing that happens to be installed here."""

from __future__ import annotations

import json

import pytest


def invoke(functions, name):
    answer = functions.invoke(FunctionName=name, Payload=b"{}")
    return json.loads(answer["Payload"].read())


@pytest.mark.parametrize(
    ("function", "layer", "module", "error"),
    [
        ("Transform", "polars", "polars", "Runtime.ImportModuleError"),
        ("Validate", "shared", "telemetry", "Runtime.ImportModuleError"),
        # The client library is imported with the first connection.
        ("Migrate", "postgres", "psycopg2", "ModuleNotFoundError"),
    ],
)
def test_a_function_without_its_layer_fails(account, deployed, function, layer, module, error):
    functions = account.client("lambda")
    name = deployed[f"{function}FunctionName"]
    with_layers = functions.get_function_configuration(FunctionName=name)["Layers"]
    arns = [attached["Arn"] for attached in with_layers]
    assert "No module named" not in str(invoke(functions, name))
    try:
        functions.update_function_configuration(
            FunctionName=name, Layers=[arn for arn in arns if f"-{layer}:" not in arn]
        )
        failed = invoke(functions, name)
    finally:
        functions.update_function_configuration(FunctionName=name, Layers=arns)
    assert failed["errorType"] == error
    assert f"No module named '{module}" in failed["errorMessage"]


def test_with_its_layers_every_function_can_be_imported(account, deployed):
    functions = account.client("lambda")
    for key, name in deployed.items():
        if key.endswith("FunctionName"):
            assert "No module named" not in str(invoke(functions, name)), name
