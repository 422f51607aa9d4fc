"""Reads events of OpenLineage, one a line, with the models of its own client; prints them as these
write them. Each facet must name the schema of the model that takes its members."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from openlineage.client import event_v2
from openlineage.client.serde import Serde

FACETS = {
    "schema": ("schema_dataset", "SchemaDatasetFacet"),
    "documentation": ("documentation_dataset", "DocumentationDatasetFacet"),
    "jobType": ("job_type_job", "JobTypeJobFacet"),
    "errorMessage": ("error_message_run", "ErrorMessageRunFacet"),
    "subset": ("base_subset_dataset", "InputSubsetInputDatasetFacet"),
    "outputStatistics": ("output_statistics_output_dataset", "OutputStatisticsOutputDatasetFacet"),
}


def facets(found: dict[str, Any] | None) -> dict[str, Any]:
    read = {}
    for name, facet in (found or {}).items():
        module, kind = FACETS[name]
        content = dict(facet)
        producer, schema = content.pop("_producer"), content.pop("_schemaURL")
        package = import_module(f"openlineage.client.generated.{module}")
        if name == "schema":
            content["fields"] = [package.SchemaDatasetFacetFields(**f) for f in content["fields"]]
        if name == "subset":
            condition = package.LocationSubsetCondition(**content["inputCondition"])
            content["inputCondition"] = condition
        model = getattr(package, kind)(**content, producer=producer)
        assert model._schemaURL == schema, (model._schemaURL, schema)
        read[name] = model
    return read


def dataset(kind: Any, found: dict[str, Any], own: str) -> Any:
    rest = {own: facets(found.pop(own))} if own in found else {}
    return kind(**found | {"facets": facets(found.get("facets"))}, **rest)


def event(found: dict[str, Any]) -> event_v2.RunEvent:
    run, job = found["run"], found["job"]
    schema = found.pop("schemaURL")
    read = event_v2.RunEvent(
        **found
        | {
            "eventType": event_v2.RunState(found["eventType"]),
            "run": event_v2.Run(runId=run["runId"], facets=facets(run.get("facets"))),
            "job": event_v2.Job(job["namespace"], job["name"], facets(job["facets"])),
            "inputs": [
                dataset(event_v2.InputDataset, one, "inputFacets") for one in found["inputs"]
            ],
            "outputs": [
                dataset(event_v2.OutputDataset, one, "outputFacets") for one in found["outputs"]
            ],
        }
    )
    assert read.schemaURL == schema, (read.schemaURL, schema)
    return read


for line in sys.stdin:
    sys.stdout.write(Serde.to_json(event(json.loads(line))) + "\n")
