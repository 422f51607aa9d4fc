"""The words of the AWS command line that our pages use, said to the emulator by boto3.

Not the AWS CLI, which would bring a botocore of its own into the environment. What it checks is
what matters on a page: that service, operation and parameters exist, and that the call works.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jmespath
from botocore import xform_name

from etl.aws.target import DEFAULT_STACK, Target


def value(shape: Any, words: list[str]) -> Any:
    """The words behind an option, as what the parameter takes."""
    text = [Path(w[7:]).read_text() if w.startswith("file://") else w for w in words]
    if shape.type_name == "list" and not text[0].startswith("["):
        return text
    if shape.type_name in {"list", "structure", "map"}:
        return json.loads(text[0])
    if shape.type_name in {"integer", "long"}:
        return int(text[0])
    return text[0].encode() if shape.type_name == "blob" else text[0]


def options(words: list[str]) -> dict[str, list[str]]:
    """Each option with the words behind it."""
    found: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            found[word[2:]] = []
        else:
            found[next(reversed(found))].append(word)
    return found


def said(target: Target, service: str, operation: str, words: list[str]) -> Any:
    """The answer of one call, or the part of it that ``--query`` asks for."""
    client = target.client(service)
    name = client.meta.method_to_api_mapping[operation.replace("-", "_")]
    members = client.meta.service_model.operation_model(name).input_shape.members
    by_option = {xform_name(member, "-"): member for member in members}
    given = options(words)
    query = given.pop("query", ["@"])[0]
    given.pop("output", None)
    parameters: dict[str, Any] = {}
    for option, behind in given.items():
        member = by_option.get(option) or by_option[option.removeprefix("no-")]
        flag = members[member].type_name == "boolean"
        parameters[member] = option in by_option if flag else value(members[member], behind)
    answer = getattr(client, operation.replace("-", "_"))(**parameters)
    answer.pop("ResponseMetadata", None)
    return jmespath.search(query, answer)


def main(state: str, words: list[str]) -> None:
    from local.stack import read

    local = read(Path(state))
    assert local is not None, "nothing runs"
    target = Target(DEFAULT_STACK, local.region, None, Path(state), local)
    answer = said(target, words[0], words[1], words[2:])
    if "text" in options(words[2:]).get("output", []):
        sys.stdout.write("\t".join(answer if isinstance(answer, list) else [f"{answer}"]) + "\n")
    elif answer:
        sys.stdout.write(json.dumps(answer, indent=4, default=str) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
