"""A fleet whose names, topics, members and values attack whoever looks: every command, every page.

The list of commands is the program's own, and the pages are found by following links, so a new one
is visited as well, or has to be named here with the reason why not.
"""

from __future__ import annotations

import base64
import csv
import http.client
import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import psycopg2
import pytest
import typer
from typer.testing import CliRunner

from etl.aws.target import Target
from etl.cli.main import app
from etl.operations.executions import latest
from tests.browser.control_room import RunningControlRoom, control_room
from tests.unit.etl.cli.test_no_text_of_a_device_reaches_the_terminal_raw import OBEYED

pytestmark = pytest.mark.slow

CONTRACT = "tests/end_to_end/hostile_names.toml"
TRIGGER = "schedule"
MARK = "zqx"
"""Begins each hostile element and attribute, so that one that came alive is found."""
ATTACKS = (
    f"<{MARK}>", f"</code></pre></td><{MARK} {MARK}=1>", f'" {MARK}="1', f"' {MARK}='1",
    "<script>alert(1)</script>", "javascript:alert(1)", "{{7919*7919}}", "[bold red]x[/]",
    "[link=http://x.invalid]", "`code`](javascript:1)", "\x1b[2J\x1b[1;31mred", "\x9b31m", "\x07",
    "\x1b]8;;http://x.invalid\x1b\\link\x1b]8;;\x1b\\", "\x1b]0;title\x07", "\u202egnp.exe",
    "\u2066x\u2069", "\u200b\ufeff", "\U000e0041", "\n verdict: pass", "\r\n verdict: pass",
    "\u2028 verdict: pass", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "%x", "|ls",
    "a\x00b", "$x^{\\frac", "../../etc", "%2e%2e", "#'\"\\", "x" * 300, " ", "é\U0001f4a3",
)  # fmt: skip
EXEMPT = {
    "up": "deploys; the pipeline here was deployed by the same code",
    "down": "stops all of it",
    "destroy": "deletes all of it; it prints names of resources",
    "deploy": "prints resources of the stack",
    "plan": "prints resources of the stack",
    "doctor": "prints what it examines, which no device names; it has tests of its own",
    "demo": "starts a stack of its own",
    "init": "makes a project of the user's own words",
    "simulate": "sends what it makes itself",
    "publish": "prints the user's own file; tested with hostile ones",
    "psql": "another program; psql escapes control characters",
    "pgadmin": "another program",
    "dashboard": "serves the pages below",
    "cost": "knows no device",
    "diagram": "draws the definition, which no device names",
    "athena": "statements of the contract",
    "connect grafana": "a file made of the contract", "connect dbt": "files made of the contract",
    "backfill": "replay of a range of time; it prints what replay prints",
    "alarms test": "waits for a notification",
    "settings init": "writes a file", "settings check": "reads a file of the user",
    "settings list": "knows no device", "settings policy": "knows no device",
    "template export": "writes the templates, which no device names",
    "database rotate": "prints names of roles",
    "contract infer": "tested with hostile files", "contract check": "tested with hostile files",
    "contract diff": "compares two contracts",
    "triggers list": "knows no device", "triggers enable": "knows no device",
    "triggers disable": "knows no device",
    "channels list": "knows no device", "channels set": "enters an address of the user",
    "channels remove": "deletes an address of the user",
    "channels test": "a message of its own; hostile ones are tested with the renderers",
    "channels signing-key": "prints a key",
    "game-day list": "knows no device", "game-day run": "a stack of its own, with devices of its own",
    "game-day end": "deletes that stack",
    "quarantine discard": "prints what release prints",
}  # fmt: skip
"""Commands that are not run here, and why."""


def envelope(topic: str, client: str, *readings: Any) -> str:
    """As the topic rule writes it; only a stolen permission could send such a topic."""
    payload = json.dumps({"readings": readings}).encode()
    return json.dumps(
        {
            "payload": base64.b64encode(payload).decode(),
            "topic": topic,
            "client_id": client,
            "received_at": int(time.time() * 1000),
        }
    )


def invoke(target: Target, *arguments: str) -> Any:
    options = ["--state", str(target.state), "--stack", target.stack]
    return CliRunner().invoke(app, [*options, *arguments])


def run(target: Target, *bodies: str) -> str:
    """Queue these messages, and the name of the execution that has processed them."""
    for start in range(0, len(bodies), 10):
        entries = [
            {"Id": str(place), "MessageBody": body}
            for place, body in enumerate(bodies[start : start + 10])
        ]
        answer = target.client("sqs").send_message_batch(
            QueueUrl=target.outputs["QueueUrl"], Entries=entries
        )
        assert not answer.get("Failed")
    check_output(invoke(target, "run"), "run")
    return latest(target, 1)[0].name


def check_output(result: Any, command: str) -> str:
    """The output of a command, which has no character that a terminal obeys, and no line that a
    device wrote."""
    assert result.exception is None or isinstance(result.exception, SystemExit), (
        command,
        result.exception,
    )
    found = OBEYED.search(result.output)
    assert found is None, (command, result.output[found.start() - 80 : found.end() + 40])
    lines = [line for line in result.output.splitlines() if line.startswith(" verdict: pass")]
    assert lines == [], command
    return str(result.stdout)


@pytest.fixture(scope="module")
def attacked(pipeline: Target) -> tuple[Target, dict[str, str]]:
    """The pipeline after the attack, and the names of its executions."""
    sns, sqs = pipeline.client("sns"), pipeline.client("sqs")
    mail = sqs.create_queue(QueueName="mail")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=mail, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=pipeline.outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
    now = int(time.time() * 1000)
    loaded = [
        envelope(
            f"telemetry/names/{text.replace('/', '')}",
            text,
            {"n": n, "ts": now, "value": 1, "note": text, text: {text: text}},
            {"n": n, "ts": f"none {text}", "note": text},
            {"n": n, "ts": now + 1, "value": text, text: 1},
            text,
        )
        for n, text in enumerate(ATTACKS)
    ]
    names = {"loaded": run(pipeline, *loaded)}
    lost = [
        envelope(
            f"telemetry/names/{text.replace('/', '')}",
            text,
            {"n": n, "ts": now, "note": f"other {text}"},
        )
        for n, text in enumerate(ATTACKS)
    ]
    names["conflicts"] = run(pipeline, *lost)
    refused = [envelope(f"telemetry/names/{t}", t, {"note": t}) for t in ATTACKS]
    names["quarantined"] = run(pipeline, *refused)
    assert pipeline.local is not None
    with closing(psycopg2.connect(pipeline.local.database.dsn(), dbname=database(pipeline))) as own:
        with own, own.cursor() as cursor:
            cursor.execute("ALTER TABLE telemetry.names ADD CONSTRAINT thirteen CHECK (n <> 5013)")
    # PostgreSQL quotes the row that it refuses.
    text = "".join(ATTACKS).replace("\0", "").replace("x" * 300, "")
    last = envelope("telemetry/names/odd", text[:100], {"n": 5013, "ts": now, "note": text})
    names["failed"] = run(pipeline, last)
    taken = "".join(one for one in text if one >= " " or one in "\t\r\n")  # what SQS takes
    sqs.send_message(QueueUrl=pipeline.outputs["DeadLetterQueueUrl"], MessageBody=taken)
    sqs.send_message(QueueUrl=pipeline.outputs["RuleErrorQueueUrl"], MessageBody=json.dumps(text))
    return pipeline, names


def database(target: Target) -> str:
    with closing(target.connect()) as connection:
        return str(connection.info.dbname)


def test_the_attack_arrived(attacked: tuple[Target, dict[str, str]]) -> None:
    """Else nothing below would show anything."""
    target, names = attacked
    rejects = json.loads(invoke(target, "rejects", "list", "--json").stdout)
    assert rejects["rejects"] > 3 * len(ATTACKS)
    assert json.loads(invoke(target, "conflicts", "list", "--json").stdout)
    assert len(quarantined(target)) == 1
    found = {one.name: one.status for one in latest(target, 10)}
    assert found[names["loaded"]] == "SUCCEEDED"
    assert found[names["failed"]] == "FAILED"
    with closing(target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM telemetry.names")
        [(rows,)] = cursor.fetchall()
    assert rows > 0.8 * len(ATTACKS)


def quarantined(target: Target) -> list[str]:
    listed = json.loads(invoke(target, "quarantine", "list", "--json").stdout)
    return [one["batch_id"] for one in listed]


def commands() -> list[str]:
    def leaves(command: Any, path: tuple[str, ...]) -> Iterator[str]:
        for name, one in getattr(command, "commands", {}).items():
            yield from leaves(one, (*path, name))
        if not hasattr(command, "commands"):
            yield " ".join(path)

    return list(leaves(typer.main.get_command(app), ()))


def test_every_command(attacked: tuple[Target, dict[str, str]], tmp_path: Path) -> None:
    target, names = attacked
    [held] = quarantined(target)
    arguments: dict[str, list[list[str]]] = {
        "status": [[], ["--json"]],
        "outputs": [[]],
        "executions": [[], ["--json"], ["--failed"], ["--cause", "e", "--idle"]],
        "logs": [[], ["--raw"], ["--search", "ERROR"]],
        "trace": [[name] for name in names.values()],
        "metrics": [[], ["--all"], ["RejectedReadings"]],
        "reconcile": [[], ["--deep"], ["--json"]],
        "rejects list": [[], ["--json"]],
        "rejects show": [["--most", "200"], ["--json"]],
        "rejects export": [[], ["--format", "csv"]],
        "conflicts list": [[], ["--json"]],
        "conflicts export": [[], ["--format", "csv"]],
        "quarantine list": [[], ["--json"]],
        "quarantine show": [[held], [held, "--json"]],
        "dlq list": [["--look", "10"], ["--look", "10", "--json"]],
        "alarms history": [[], ["--json"]],
        "rollups refresh": [[]],
        "rollups rebuild": [["--yes"]],
        "sweep": [[]],
        # Those that change something come last.
        "replay": [["--execution", name, "--yes"] for name in names.values()],
        "quarantine release": [["--all", "--yes"]],
        "dlq redrive": [["--queue", "dead-letters", "--yes"]],
        "run": [[], ["--json"]],
        "export": [
            [str(tmp_path / "rows.csv")],
            [str(tmp_path / "rows.parquet"), "--json"],
            [str(tmp_path / "device.csv"), "--column", ATTACKS[0]],
        ],
        "lineage": [["-"], [str(tmp_path / "lineage.ndjson")]],
        "contract describe": [[], ["--format", "html"], ["--format", "json"]],
        "table show": [[], ["--json"]],
        "connect login": [[], ["--json"]],
        "table maintain": [[], ["--json"]],
        "devices forget": [["--dry-run", "--", ATTACKS[0]], ["--yes", "--", ATTACKS[0]]],
        "devices erasures": [[], ["--json"], ["--device", ATTACKS[0]]],
    }
    assert set(arguments) | set(EXEMPT) == set(commands())
    for command, calls in arguments.items():
        for call in calls:
            output = check_output(invoke(target, *command.split(), *call), f"{command} {call}")
            if call == ["--format", "csv"]:
                check_cells(output)


def check_cells(output: str) -> None:
    """No cell of a spreadsheet is a formula, and each line has the cells of the header."""
    header, *rows = csv.reader(io.StringIO(output, newline=""))
    assert rows
    for row in rows:
        assert len(row) == len(header)
        assert [cell for cell in row if cell.lstrip()[:1] in tuple("=+-@|%")] == []


class Page(HTMLParser):
    """Links of a page, what came alive in it, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.alive: list[str] = []
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.alive += [name for name in (tag, *given) if MARK in name or name.startswith("on")]
        if tag == "script" and not (given.get("src") or given.get("type") == "application/json"):
            self.alive.append("script without an address")
        for name in ("href", "src", "action", "formaction"):
            address = given.get(name) or ""
            if address.strip().lower().startswith(("javascript:", "data:text", "vbscript:")):
                self.alive.append(address)
            elif name == "href":
                self.links.append(address)
        self.text += "".join(value or "" for name, value in attrs if name in ("title", "alt"))


def fetch(room: RunningControlRoom, path: str, cookie: str) -> tuple[int, str, str, str]:
    """Status, type, cookie and body of a page."""
    address = urlsplit(room.base).netloc
    with closing(http.client.HTTPConnection(address, timeout=120)) as connection:
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        kind = answer.getheader("Content-Type") or ""
        made = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        return answer.status, kind, made, answer.read().decode()


def test_every_page(attacked: tuple[Target, dict[str, str]]) -> None:
    target, _ = attacked
    with control_room(target.state, target.stack) as room:
        path = room.address.removeprefix(room.base)
        cookie = fetch(room, path, "")[2]
        seen, waiting, kinds = set(), ["/"], set()
        while waiting and len(seen) < 250:
            path = waiting.pop(0)
            if path in seen:
                continue
            seen.add(path)
            status, kind, _, body = fetch(room, path, cookie)
            assert status in (200, 404), (path, status, body[:500])
            kinds.add(path.partition("?")[0])
            assert "62710561" not in body, path
            if not kind.startswith(("text/html", "image/svg")):
                continue
            page = Page()
            page.feed(body)
            assert page.alive == [], (path, page.alive)
            found = OBEYED.search(page.text)
            assert found is None, (path, page.text[found.start() - 60 : found.end() + 20])
            for link in page.links:
                whole = urlsplit(urljoin(room.base + path, link))
                if whole.netloc == urlsplit(room.base).netloc and not whole.path.startswith(
                    "/static"
                ):
                    waiting.append(whole.path + (f"?{whole.query}" if whole.query else ""))
        for one in ("/rejects", "/fleet", "/device", "/quarantine", "/dead-letters", "/quality"):
            assert one in kinds, (one, kinds)


def test_the_notification_is_plain_text(attacked: tuple[Target, dict[str, str]]) -> None:
    target, names = attacked
    sqs = target.client("sqs")
    mail, texts = sqs.get_queue_url(QueueName="mail")["QueueUrl"], []
    deadline = time.monotonic() + 120
    while not any(names["failed"] in text for text in texts):
        assert time.monotonic() < deadline, texts
        found = sqs.receive_message(QueueUrl=mail, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in found.get("Messages", ()):
            sent = json.loads(message["Body"])
            texts += [sent.get("Subject") or "", sent["Message"]]
    assert any("5013" in text for text in texts), "no row that PostgreSQL refused is in any"
    for text in texts:
        assert OBEYED.search(text) is None, text
        assert not any(line.startswith(" verdict: pass") for line in text.splitlines())
        assert re.search(r"\n.{0,3}=", text) is None
