"""Reads a compose file with a model of the compose specification, and prints it as JSON."""

from __future__ import annotations

import sys
from pathlib import Path

from compose_spec import PyCompose

found = PyCompose.from_yaml(Path(sys.argv[1]).read_text(encoding="utf-8"))
found.to_spec()
print(found.to_json())
