"""The playground: infer a contract from messages, edit it, see its effect, and save it.

Scripts use the JSON routes. Without scripts the same form is sent as a whole, and the page comes
back with its results.
"""

from __future__ import annotations

import hmac
import json
import secrets
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.app_state import ControlRoom
from dashboard.playground import contract_files
from dashboard.playground.results import (
    MOST_MESSAGES,
    CheckResult,
    InferResult,
    check_sample,
    infer_contract,
)
from dashboard.playground.samples import MOST_BYTES, PASTED, file_name
from dashboard.security import policy_with_nonce
from telemetry.errors import UserError

__all__ = ["routes"]

ENCODED_BYTES = 3 * (MOST_BYTES + contract_files.MOST_BYTES)
"""Most bytes of the whole form, in which a byte may be written as three."""
JSON_BYTES = 6 * contract_files.MOST_BYTES
"""Most bytes of a request with a contract, in which a byte may be written as six."""
TOO_LARGE = "More than 10 MB: use `etl contract infer` and `etl contract check` for a larger file."
EXPIRED = "This page belongs to an earlier run of the control room: reload it."


class PlaygroundRequestError(UserError):
    """Raised for a request that the playground does not process."""


@dataclass
class PageState:
    """The content of the page."""

    messages: str = ""
    contract: str = ""
    name: str = ""
    sample_name: str = PASTED
    result: CheckResult = field(default_factory=CheckResult)
    inferred: InferResult | None = None
    error: str = ""
    saved: dict[str, Any] | None = None


def routes(room: ControlRoom) -> list[BaseRoute]:
    """Routes of the playground."""

    def page(request: Request) -> Response:
        room.work.start()
        return _page(room, request, PageState())

    async def form(request: Request) -> Response:
        todo = FORMS.get(request.path_params["action"])
        state = PageState()
        answer: Response | None = None
        try:
            if todo is None:
                raise PlaygroundRequestError("There is no such action.")
            fields = dict(
                parse_qsl(
                    (await _body(request, ENCODED_BYTES)).decode("utf-8", "replace"),
                    keep_blank_values=True,
                )
            )
            _check_key(room, fields.get("form_key", ""))
            state.messages = fields.get("messages", "")
            state.contract = fields.get("contract", "").replace("\r\n", "\n")
            state.name = fields.get("name", "").strip()
            answer = await run_in_threadpool(todo, room, state)
        except UserError as error:
            state.error = str(error)
        if answer is None:
            answer = await run_in_threadpool(_page, room, request, state)
        return answer

    return [
        Route("/playground", page, methods=["GET"]),
        Route("/playground/form/{action}", form, methods=["POST"]),
        Route("/playground/sample", _json_route(room, _keep_sample), methods=["POST"]),
        Route("/playground/infer", _json_route(room, _infer), methods=["POST"]),
        Route("/playground/check", _json_route(room, _check), methods=["POST"]),
        Route("/playground/save", _json_route(room, _save), methods=["POST"]),
    ]


# Without scripts: the form as a whole.


def _form_infer(room: ControlRoom, state: PageState) -> None:
    inferred = room.work.run(infer_contract, state.messages.encode(), PASTED)
    state.contract, state.name = inferred.text, inferred.name
    state.inferred, state.result = inferred, inferred.check


def _form_check(room: ControlRoom, state: PageState) -> None:
    content = state.messages.encode() if state.messages.strip() else None
    state.result = room.work.run(check_sample, state.contract, content, PASTED)
    state.name = state.name or state.result.name


def _form_save(room: ControlRoom, state: PageState, *, replace: bool = False) -> None:
    if room.read_only:
        raise PlaygroundRequestError("The control room was started with --read-only.")
    state.saved = _saved(state.name, state.contract, replace=replace)


def _form_replace(room: ControlRoom, state: PageState) -> None:
    _form_save(room, state, replace=True)


def _form_download(_: ControlRoom, state: PageState) -> Response:
    try:
        name = contract_files.contract_path(state.name).name
    except contract_files.ContractFileError:
        name = "contract.toml"
    return Response(
        state.contract.encode("utf-8", "backslashreplace"),
        media_type="application/toml",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


FORMS: dict[str, Callable[[ControlRoom, PageState], Response | None]] = {
    "infer": _form_infer,
    "check": _form_check,
    "save": _form_save,
    "replace": _form_replace,
    "download": _form_download,
}


def _page(room: ControlRoom, request: Request, state: PageState) -> Response:
    nonce = secrets.token_urlsafe(16)
    answer = room.pages.answer(
        request,
        "playground.html",
        status=400 if state.error else 200,
        state=state,
        nonce=nonce,
        most_bytes=MOST_BYTES,
        most_messages=MOST_MESSAGES,
        can_save=contract_files.can_save() and not room.read_only,
        folder=f"{contract_files.contracts_folder()}/" if contract_files.can_save() else "",
        name_pattern=contract_files.NAME.pattern,
    )
    answer.headers["Content-Security-Policy"] = policy_with_nonce(nonce)
    return answer


# With scripts: JSON and the parts of the page that have changed.


def _json_route(
    room: ControlRoom, work: Callable[[ControlRoom, Request, bytes], dict[str, Any]]
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            _check_key(room, request.headers.get("x-form-key", ""))
            limit = MOST_BYTES if work is _keep_sample else JSON_BYTES
            body = await _body(request, limit)
            found = await run_in_threadpool(work, room, request, body)
        except UserError as error:
            html = room.pages.fragment("playground_error.html", sentence=str(error))
            return _json({"error": html, "said": str(error)}, 400)
        return _json(found)

    return answer


def _keep_sample(room: ControlRoom, request: Request, body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise PlaygroundRequestError("The file is empty.")
    sample = room.samples.add(file_name(request.query_params.get("name", "")), body)
    return {"sample": sample.id, "quoted": shlex.quote(sample.name)}


def _infer(room: ControlRoom, _: Request, body: bytes) -> dict[str, Any]:
    sample = room.samples.get(str(_fields(body).get("sample")))
    found = room.work.run(infer_contract, sample.content, sample.name)
    answer = _result(room, found.check)
    answer["notes"] = room.pages.fragment("playground_notes.html", inferred=found)
    return answer | {"contract": found.text, "name": found.name}


def _check(room: ControlRoom, _: Request, body: bytes) -> dict[str, Any]:
    fields = _fields(body)
    if not fields.get("sample"):
        return _result(room, room.work.run(check_sample, _text(fields, "contract"), None, ""))
    sample = room.samples.get(str(fields["sample"]))
    found = room.work.run(check_sample, _text(fields, "contract"), sample.content, sample.name)
    return _result(room, found)


def _save(room: ControlRoom, _: Request, body: bytes) -> dict[str, Any]:
    fields = _fields(body)
    saved = _saved(
        _text(fields, "name"), _text(fields, "contract"), replace=fields.get("replace") is True
    )
    html = room.pages.fragment("playground_saved.html", saved=saved)
    return saved | {"html": html}


def _saved(name: str, text: str, *, replace: bool) -> dict[str, Any]:
    if len(text) > contract_files.MOST_BYTES:
        raise PlaygroundRequestError("The contract is larger than 1 MB.")
    path = contract_files.contract_path(name)
    outcome = contract_files.save(path, text, replace=replace)
    return {"outcome": outcome, "path": str(path), "name": path.stem}


def _result(room: ControlRoom, result: CheckResult) -> dict[str, Any]:
    fragment = room.pages.fragment
    shown = result.report is not None
    return {
        "name": result.name,
        "problems": [{"line": p.line, "sentence": _sentence(p)} for p in result.problems],
        "problem_list": fragment("playground_problems.html", result=result),
        "result": fragment("playground_result.html", result=result) if shown else "",
        "rows": fragment("playground_rows.html", result=result) if shown else "",
        "said": _summary(result),
    }


def _sentence(problem: Any) -> str:
    return f"{problem.key}: {problem.sentence}" if problem.key else str(problem.sentence)


def _summary(result: CheckResult) -> str:
    """The result in a sentence, for a screen reader."""
    if result.problems:
        number = len(result.problems)
        return (
            f"The contract is not valid: {number} problem{'s' if number > 1 else ''}, the first in "
            f"line {result.problems[0].line}."
        )
    if result.report is None:
        return "The contract is valid."
    report = result.report
    return (
        f"Verdict: {report.verdict}. {report.read:,} readings, {report.accepted:,} rows, "
        f"{report.duplicates:,} repeats, {report.conflicts:,} conflicts, "
        f"{report.rejected:,} rejected."
    )


def _fields(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PlaygroundRequestError("The request is not JSON.") from error
    if not isinstance(found, dict):
        raise PlaygroundRequestError("The request is not a JSON object.")
    return found


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise PlaygroundRequestError(f"The request has no {name}.")
    return value


async def _body(request: Request, most: int) -> bytes:
    """The request's body. Raises :class:`PlaygroundRequestError` where it is too large."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise PlaygroundRequestError(TOO_LARGE)
        parts.append(part)
    return b"".join(parts)


def _check_key(room: ControlRoom, key: str) -> None:
    if not hmac.compare_digest(key.encode(), room.keys.form.encode()):
        raise PlaygroundRequestError(EXPIRED)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    """JSON in ASCII, because a device may have sent half of a surrogate pair."""
    return Response(json.dumps(content).encode(), status, media_type="application/json")
