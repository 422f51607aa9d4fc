"""A Lambda function that does what the test wrote down; zipped and deployed as every step.

Environment: ``STEP`` names the step, ``FOLDER`` is shared with the test. Each call appends its
event to ``<step>.calls``. ``<step>.json`` holds the answer of Extract and Summarize. In the other
steps a batch behaves by its file's name: ``transform-corrupt`` fails for good in Transform,
``load-busy`` fails for a while in Load, ``validate-dies`` ends Validate's process once.
"""

import json
import os
from pathlib import Path


class BatchCorruptError(Exception):
    pass


class DatabaseBusyError(Exception):
    pass


class ConfigurationError(Exception):
    pass


def handle(event, _context):
    step, folder = os.environ["STEP"], Path(os.environ["FOLDER"])
    calls = folder / f"{step}.calls"
    earlier = calls.read_text().splitlines() if calls.exists() else []
    with calls.open("a") as file:
        file.write(json.dumps(event) + "\n")
    if step in {"extract", "summarize"}:
        answer = json.loads((folder / f"{step}.json").read_text())
        if "raise" in answer:
            raise ConfigurationError(answer["raise"])
        return answer
    key = event.get("key") or event["raw_key"]
    first = not any(key in line for line in earlier)
    if f"{step}-corrupt" in key:
        raise BatchCorruptError(f"{key} is not gzip")
    if f"{step}-busy" in key and first:
        raise DatabaseBusyError("deadlock detected")
    if f"{step}-dies" in key and first:
        os._exit(1)
    return {"bucket": event["bucket"], "raw_key": key, "step": step}
