"""No secret in the tree, none in the history, by detect-secrets.

What runs or configures is looked through with every detector, those that guess included; tests,
pages and notebooks for formats of credentials. What only looks like a secret (a name, a hash) is
named by its digest in ``audit/no_secrets.json``; ``python -m audit.secrets`` writes that file anew,
and its difference is reviewed like code. The history is looked through for formats (keys of AWS,
tokens, private keys), of which none is ever accepted.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from audit.outcome import Outcome

__all__ = ["check_history", "check_tree"]

KNOWN = Path(__file__).with_name("no_secrets.json")
GUESSES = {
    "Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "BasicAuthDetector",
    "EntropyKeywordCombinator", "IPPublicDetector",
}  # fmt: skip
"""Detectors of what looks like a secret, rather than of a format."""
NAME = re.compile(r"[A-Za-z_./:-]*|arn:.*")
"""Beside a word like "secret" most texts are names; a password has more than letters in it."""
MADE = re.compile(r"\.ipynb$|^tests/|^docs/")
"""Made-up passwords, digests and pictures, on purpose: looked through for formats only. If guesses
were made there, people would learn to wave them through."""
LEFT_OUT = ("requirements/", "layers/", "docs/images/", "audit/no_secrets.json")
"""Lock files are hashes by nature, and pictures are text; a pin's hash is checked by pip."""


def check_tree() -> Outcome:
    """Every suspicion in the tree is one that a person has looked at."""
    files = tracked()
    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    found = suspicions(files)
    problems = [
        f"{one['file']}:{one['line']}: {one['kind']}. A secret goes to Secrets Manager and is made "
        "void; where it is none, run `.audit-venv/bin/python -m audit.secrets` and review "
        f"{KNOWN.name}."
        for digest, one in found.items()
        if digest not in known
    ]
    return Outcome("secrets in the tree", f"{len(files)} files, {len(known)} looked at", problems)


def check_history() -> Outcome:
    """No commit adds a credential."""
    name = "secrets in the history"
    if shutil.which("git") is None or not Path(".git").exists():
        return Outcome(name, "nothing", [], "this copy has no history")
    count = git("rev-list", "--count", "HEAD").strip()
    left_out = [f":!{path}" for path in LEFT_OUT]
    patch = git("log", "-p", "--no-color", "--no-merges", "-U0", "HEAD", "--", ".", *left_out)
    from detect_secrets.core.scan import scan_diff
    from detect_secrets.settings import transient_settings

    with transient_settings({"plugins_used": detectors(guessing=False)}):
        problems = [
            f"{one.filename}: {one.type}, in some commit. Make it void first; then rewrite the "
            "history."
            for one in scan_diff(patch)
        ]
    return Outcome(name, f"{count} commits", problems)


def suspicions(files: list[str]) -> dict[str, dict[str, Any]]:
    """What the detectors see in these files, by the digest of the text."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import transient_settings

    found: dict[str, dict[str, Any]] = {}
    made = [file for file in files if MADE.search(file)]
    for guessing, some in ((False, made), (True, sorted(set(files) - set(made)))):
        with transient_settings({"plugins_used": detectors(guessing=guessing)}):
            for file in some:
                for one in scan_file(file):
                    if one.type == "Secret Keyword" and NAME.fullmatch(one.secret_value or ""):
                        continue
                    where = {"file": file, "line": one.line_number, "kind": one.type}
                    found.setdefault(one.secret_hash, where)
    return found


def detectors(*, guessing: bool) -> list[dict[str, Any]]:
    """Configuration of the detectors, with or without those that guess."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes = get_mapping_from_secret_type_to_class().values()
    names = sorted({one.__name__ for one in classes})
    limits = {"Base64HighEntropyString": {"limit": 4.5}, "HexHighEntropyString": {"limit": 3.0}}
    return [
        {"name": name, **limits.get(name, {})} for name in names if guessing or name not in GUESSES
    ]


def tracked() -> list[str]:
    """The files that git knows, or all but what is made here."""
    return [f for f in git("ls-files").splitlines() if not f.startswith(LEFT_OUT)]


def git(*arguments: str) -> str:
    """What git says; raises where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def main() -> None:
    """Write down what is there now; whoever commits it says that none of it is a secret."""
    found = suspicions(tracked())
    texts = {digest: f"{one['file']}: {one['kind']}" for digest, one in found.items()}
    ordered = dict(sorted(texts.items(), key=lambda item: (item[1], item[0])))
    KNOWN.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
