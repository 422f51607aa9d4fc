"""Makes a project of one's own: a contract, a sample, a test, settings, and what runs them.

::

    contracts/NAME.toml      the example's, or inferred from a sample
    samples/...              the messages that the contract was made for
    tests/test_contract.py   the contract against the sample, and against random messages
    notebooks/NAME.ipynb     the rows, in a notebook
    pipeline.toml            settings; makes the folder a project (`etl.project`)
    README.md, requirements.txt, .gitignore, .devcontainer/, .github/workflows/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from etl.authoring.check import SampleReport
from etl.authoring.samples import read_sample
from etl.deployment.settings_example import example
from etl.testing import MOST_MESSAGES, check_messages, check_sample, load_contract, make_messages
from etl.version import product_version
from layers.folders import ROOT
from telemetry.contract import Contract
from telemetry.errors import UserError

__all__ = ["NewProject", "ProjectError", "create_project", "name_problem"]

EXAMPLE = ROOT / "contracts" / "examples" / "greenhouse.toml"
FILES = Path(__file__).parent / "files"
NAME = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
LONGEST_NAME = 32
"""Longest name of a stack, which everything in it begins with."""
MOST_NAMED = 5
"""Most files that are named where a folder isn't empty."""
TRIALS, TRIAL_MESSAGES = 20, 4
"""Random messages with which it is tried whether simulated devices suit a contract."""
TARGETS = {
    "README.md": "README.md",
    "requirements.txt": "requirements.txt",
    "gitignore": ".gitignore",
    "devcontainer.json": ".devcontainer/devcontainer.json",
    "pipeline.yml": ".github/workflows/pipeline.yml",
}
"""Where a template goes in the project."""


class ProjectError(UserError):
    """Raised where a project can't be made; nothing was written."""


@dataclass(frozen=True)
class NewProject:
    """A project that was made."""

    folder: Path
    contract: Contract
    report: SampleReport
    """Counts of the sample's readings, cleaned with the contract."""
    sample: str
    """The sample, relative to the folder."""
    simulated: bool
    """True where the project's test has random messages, too."""


def name_problem(name: str) -> str | None:
    """Say why a project can't have this name; ``None`` where it can."""
    if NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        return None
    return (
        f"{name!r} is not a valid name: use 1 to {LONGEST_NAME} lower-case letters, digits, - and "
        "_, beginning with a letter and not ending with - or _."
    )


def create_project(folder: Path, sample: Path | None = None) -> NewProject:
    """Make a project in a folder that is empty or doesn't exist; the folder's name is its name.

    The contract is inferred from the messages of ``sample``, or the example's. Raises
    :class:`ProjectError` where the name can't be used or the folder isn't empty, ``SampleError``
    for a sample that can't be read, and ``OSError``.
    """
    name = folder.resolve().name
    problem = name_problem(name) or _occupied(folder)
    if problem:
        raise ProjectError(problem)
    contract_name = name.replace("-", "_")
    source = sample or EXAMPLE.with_suffix(".ndjson")
    text = _example_contract(contract_name) if sample is None else _inferred(contract_name, sample)
    sample_name = f"{contract_name}.ndjson" if sample is None else _plain(sample.name)
    content = source.read_bytes()
    contract_file = folder / "contracts" / f"{contract_name}.toml"
    _write(contract_file, text)
    (folder / "samples").mkdir()
    (folder / "samples" / sample_name).write_bytes(content)
    contract = load_contract(contract_file)
    report = check_sample(contract, folder / "samples" / sample_name)
    simulated = _is_simulated_well(contract)
    values = {
        "NAME": name,
        "CONTRACT": contract_name,
        "SAMPLE": sample_name,
        "TABLE": f"{contract.schema}.{contract.table}",
        "STACK": name.replace("_", "-"),
        "VERSION": product_version(),
        "ACCEPTED": str(report.accepted),
        "REJECTED": str(report.rejected),
        "VERDICT": report.verdict,
    }
    for target, written in _files(values, simulated=simulated):
        _write(folder / target, written)
    return NewProject(folder, contract, report, f"samples/{sample_name}", simulated)


def _occupied(folder: Path) -> str | None:
    if not folder.exists():
        return None
    if not folder.is_dir():
        return f"{folder} is a file: name a folder that doesn't exist yet."
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return None
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{folder} is not empty, it has {', '.join(names[:MOST_NAMED])}{more}: name another."


def _plain(file_name: str) -> str:
    """The name of a file without what a shell or Python would read as something else."""
    return re.sub(r"[^\w.-]", "_", file_name).lstrip("-.") or "sample"


def _example_contract(name: str) -> str:
    """The example's contract under another name, without the comment about its own origin."""
    text = EXAMPLE.read_text(encoding="utf-8")
    text = text[text.index("name = ") :]
    text = text.replace('name = "greenhouse"', f'name = "{name}"')
    return text.replace('"telemetry/greenhouse/+"', f'"telemetry/{name}/+"')


def _inferred(name: str, sample: Path) -> str:
    from etl.authoring.infer import infer
    from etl.authoring.toml_writer import write_contract

    return write_contract(infer(read_sample([sample], MOST_MESSAGES), name, sample.name))


def _is_simulated_well(contract: Contract) -> bool:
    """True where each reading of simulated devices becomes a row, as the test will say it does."""
    try:
        for seed in range(TRIALS):
            sent = make_messages(contract, seed=seed, count=TRIAL_MESSAGES)
            report = check_messages(contract, sent)
            if (report.accepted, report.rejected) != (sent.rows, 0):
                return False
    except UserError:
        return False
    return True


def _files(values: Mapping[str, str], *, simulated: bool) -> Iterator[tuple[str, str]]:
    """Each further file of a project and its text."""
    yield "pipeline.toml", example(values["STACK"], f"contracts/{values['CONTRACT']}.toml")
    for template, target in TARGETS.items():
        yield target, _filled(template, values)
    yield f"notebooks/{values['CONTRACT']}.ipynb", _filled("notebook.ipynb", values)
    test = "test_random.txt" if simulated else "test_sample.txt"
    yield "tests/test_contract.py", _filled(test, values)


def _filled(template: str, values: Mapping[str, str]) -> str:
    """A template with each ``@NAME@`` replaced."""
    text = (FILES / template).read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda found: values[found[1]], text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
