"""The state machine, composed with the SDK.

::

    Already staged? --input has bucket, manifest, batches, concurrency---.
        | only a prefix: List staged batches -----------------.          |
        | neither:       Extract -----------------------------+--> Anything staged? --no--> Nothing
                            ^                                            |  |               to do
                            |      it drains again                       |  |
                   Wait for the next drain <-- Load drained batches <----'  |
                            ^-------- nothing staged in this drain          |
                                                                            v
                              Load batches: distributed map over the manifest, one Express
                              execution a batch:  Transform -> Validate -> Load
                                                  `- any failure: Record failure -> Batch failed
                                                                         |
                                                                     Summarize
                                                                         |
                                                                  How did it end?
                         succeeded -> All loaded
                         partial   -> Notify: some batches failed -> Partially loaded
                         failed    -> Notify: batches failed      -> Batches failed
    A step outside the batches failed: Notify: error -> Execution failed

Decisions:

- **References only.** A state carries a bucket, the key of a manifest and counts. The manifest
  names the batches; the map's results go to S3 by its ``ResultWriter`` and are dropped from the
  payload (``ResultPath: null``), so that ten thousand batches are as light as one.
- **A drain loop is one execution.** Standard executions are paid by the state entered, so an
  execution for each window costs more than a loop in one: five states for a drain with one batch
  (Wait, Extract, Choice, Map, its child), three for one without. Extract decides whether the loop
  goes on (:mod:`functions.extract.drain_loop`); Summarize judges all drains together, at the end.
- **A manifest, not a listing**, says what the map runs over: exactly the batches that this
  execution is to process, wherever they are, and why. Queue, schedule, sweep, replay,
  backfill, release and discard are one map and one path.
- **The map tolerates every failure; Summarize decides.** It reads from S3 how each batch ended, so
  a child that vanished without an outcome counts as failed, which a tolerated percentage can't say.
- **The optimised integration** (``lambda:invoke``), not the function's ARN as the resource: AWS
  recommends it, and its ``ResultSelector`` lets the item stay beside the result, which
  Record failure needs.
- **Unqualified functions.** A version would tie a running execution to the code it began with, but
  the old version must then outlive the deployment that replaced it, and every deployment would
  leave one behind. Steps can be repeated and exchange references whose format only grows, so an
  execution may cross a deployment.

The states' resources say ``arn:aws``; :func:`definition_json` writes them for the partition of the
region that is deployed to. (A placeholder would do so, too, but cfn-lint takes it for a mistake.)
``${...}`` is resolved by ``DefinitionSubstitutions`` of the template (or :func:`resolve`).
"""

from __future__ import annotations

from workflow.definition.batches import DRAINED_LABEL, MAP_RESULTS_PREFIX, MAP_RUN_LABEL
from workflow.definition.machine import (
    build_definition,
    definition_json,
    in_partition,
    resolve,
)
from workflow.definition.tasks import function_arn

__all__ = [
    "DRAINED_LABEL",
    "MAP_RESULTS_PREFIX",
    "MAP_RUN_LABEL",
    "build_definition",
    "definition_json",
    "function_arn",
    "in_partition",
    "resolve",
]
