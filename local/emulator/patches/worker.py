"""AWS Lambda: one execution environment, that is one process that serves one call at a time.

Takes the place of MiniStack's ``Worker`` for Python functions. What AWS does and the original
doesn't: an error carries the exception's class name, a stack trace and the request id; an
environment survives an exception of its handler; a function sees Lambda's variables, its layers
and boto3 but not the emulator's packages; its output ends with the invocation instead of after
50 ms of silence; and no process is left when the emulator is killed.
"""

from __future__ import annotations

import json
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

from local.emulator.patches.unpacking import layer_paths, runtime_packages, unpacked
from local.emulator.runtime import END_OF_LOG

__all__ = ["RELIES_ON", "FunctionWorker"]

RELIES_ON = (
    "core.lambda_runtime.Worker._discard_tmpdir", "core.lambda_runtime.Worker._spawn",
    "core.lambda_runtime.Worker.invoke", "core.lambda_runtime.execution_credentials",
    "services.lambda_svc._resolve_layer_zip",
)  # fmt: skip

_RUNTIME = Path(__file__).resolve().parents[1] / "runtime.py"
_INIT_SECONDS = 120.0
"""AWS allows 10 s and then starts over under the function's timeout; a loaded laptop needs more."""
_LOG_SECONDS = 2.0
"""Longest wait for the line that ends an invocation's output; it is written before the answer."""


class EnvironmentDiedError(Exception):
    """Raised when the function's process ended instead of answering."""


class FunctionWorker(lambda_runtime.Worker):  # type: ignore[misc]  # MiniStack has no types
    """One environment of a Python function."""

    def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        super().__init__(func_name, config, code_zip)
        self._proc: Any = None  # a Popen; None is "not running" to MiniStack too
        self._tmpdir: str | None = None
        now = datetime.now(UTC)
        unique = os.urandom(16).hex()
        self.log_stream = f"{now:%Y/%m/%d}/[{config.get('Version', '$LATEST')}]{unique}"
        self.init_span: tuple[float, float] | None = None
        """Start and end (epoch seconds) of the cold start, until an invocation has reported it."""
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._log_ended = threading.Event()
        self._requests = self._answers = -1
        self._unread = b""

    def peak_memory_mb(self) -> int:
        """Most memory the process has held, in MB; 0 where the system does not report it."""
        try:
            status = Path(f"/proc/{self._proc.pid}/status").read_text(encoding="ascii")
            return int(status.partition("VmHWM:")[2].split()[0]) // 1024
        except (OSError, AttributeError, IndexError, ValueError):
            return 0

    def invoke(
        self,
        event: Any,
        request_id: str,
        *,
        trace_id: str | None = None,
        depth: int | None = None,
        durable: dict[str, Any] | None = None,
        invoked_function_arn: str | None = None,
    ) -> dict[str, Any]:
        """Run one invocation: ``{"result": JSON text}`` or ``{"error": {...}}``, and ``"log"``."""
        del depth, durable  # neither recursion counting nor durable functions are used here
        with self._lock:
            if self._proc is None or self._proc.poll() is not None:
                self._spawn()
            timeout = float(self.config.get("Timeout", 3))
            self._log_ended.clear()
            invocation = {
                "event": event,
                "request_id": request_id,
                "function_arn": invoked_function_arn or self.config.get("FunctionArn", ""),
                "trace_header": trace_id,
                "deadline": time.time() + timeout,
            }
            process = self._proc
            try:
                answer = self._exchange(process, invocation, timeout)
            except TimeoutError:
                self._end()
                message = (
                    f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
                )
                answer = {"error": {"errorType": "Sandbox.Timedout", "errorMessage": message}}
            except EnvironmentDiedError as error:
                message = f"RequestId: {request_id} Error: Runtime exited with error: {error}"
                answer = {"error": {"errorType": "Runtime.ExitError", "errorMessage": message}}
            self._log_ended.wait(_LOG_SECONDS)
            if str(answer.get("error", {}).get("errorType", "")).startswith("Runtime.Import"):
                self._end()  # AWS starts a failed environment again
            return {**answer, "log": self._take_log(answer)}

    def _take_log(self, answer: dict[str, Any]) -> str:
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        error = answer.get("error")
        if error and "stackTrace" not in error:  # the process was not there to log it itself
            lines.append(error["errorMessage"])
        return "\n".join(lines)

    def _exchange(
        self, process: subprocess.Popen[bytes], invocation: dict[str, Any], timeout: float
    ) -> dict[str, Any]:
        """Send one invocation and wait for its answer.

        Raises ``TimeoutError``, and :class:`EnvironmentDiedError` when the process ends.
        """
        try:
            _write_all(self._requests, json.dumps(invocation).encode() + b"\n")
        except BrokenPipeError:
            raise EnvironmentDiedError(self._exit_reason(process)) from None
        return self._read_answer(process, time.monotonic() + timeout)

    def _read_answer(self, process: subprocess.Popen[bytes], deadline: float) -> dict[str, Any]:
        readable = select.poll()
        readable.register(self._answers, select.POLLIN)
        parts: list[bytes] = []
        while not (parts and parts[-1].endswith(b"\n")):
            patience = deadline - time.monotonic()
            if patience <= 0 or not readable.poll(patience * 1000):
                raise TimeoutError
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise EnvironmentDiedError(self._exit_reason(process))
            parts.append(part)
        answer: dict[str, Any] = json.loads(b"".join(parts))
        return answer

    def _exit_reason(self, process: subprocess.Popen[bytes]) -> str:
        self._log_ended.wait(_LOG_SECONDS)
        status = process.wait()
        self._end()
        if status < 0:
            return f"signal: {signal.Signals(-status).name.removeprefix('SIG').lower()}"
        return f"exit status {status}"

    def _spawn(self) -> None:
        """Start the process and wait until it has loaded the handler, or failed to."""
        self._end()
        started = time.time()
        self._tmpdir = tempfile.mkdtemp(prefix="function-")
        task_root = unpacked(self.code_zip)
        incoming, self._requests = os.pipe()
        self._answers, outgoing = os.pipe()
        try:
            self._proc = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_RUNTIME), str(incoming), str(outgoing)],
                cwd=task_root,
                env=self._environment(task_root),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(incoming, outgoing),
            )
        finally:
            os.close(incoming)
            os.close(outgoing)
        threading.Thread(target=self._read_log, args=(self._proc.stdout,), daemon=True).start()
        try:
            self._read_answer(self._proc, time.monotonic() + _INIT_SECONDS)
        except (EnvironmentDiedError, TimeoutError) as error:
            log = self._take_log({})
            self._end()
            raise RuntimeError(f"Runtime exited during init: {error}\n{log}") from error
        self.init_span = (started, time.time())

    def _read_log(self, output: Any) -> None:
        """Collect the function's output, line by line; its own thread per process."""
        end = END_OF_LOG.encode()
        for line in output:
            if line.startswith(end):
                self._log_ended.set()
            else:
                self._lines.put(line.decode("utf-8", errors="replace").rstrip("\n"))
        self._log_ended.set()
        output.close()

    def _environment(self, task_root: Path) -> dict[str, str]:
        """Lambda's own variables, then the function's, then where the emulator is."""
        config = self.config
        layers = self._layer_folders()
        region = config["FunctionArn"].split(":")[3]
        logging_config = config.get("LoggingConfig") or {}
        name = config["FunctionName"]
        search = {
            "before": [str(task_root), *layer_paths(layers)],
            "after": [str(runtime_packages())],
        }
        own = {
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "TMPDIR": self._tmpdir,
            "LD_LIBRARY_PATH": os.pathsep.join(str(one / "lib") for one in layers),
            "PYTHONPATH": os.pathsep.join(search["before"] + search["after"]),
            "LAMBDA_TASK_ROOT": str(task_root),
            "_HANDLER": config["Handler"],
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', 'python')}",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
            "AWS_LAMBDA_LOG_GROUP_NAME": logging_config.get("LogGroup") or f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": os.environ["AWS_XRAY_DAEMON_ADDRESS"],
            **lambda_runtime.execution_credentials(config),
        }
        given = (config.get("Environment") or {}).get("Variables") or {}
        local = {
            "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
            "AWS_EC2_METADATA_DISABLED": "true",
            # A developer's own AWS configuration must not reach a function.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "_EMULATOR_SEARCH_PATH": json.dumps(search),
            "_EMULATOR_PRELOAD": os.environ.get("EMULATOR_PRELOAD", ""),
        }
        return {**given, **own, **local}

    def _layer_folders(self) -> list[Path]:
        from ministack.services import lambda_svc

        folders = []
        for attached in self.config.get("Layers", []):
            archive = lambda_svc._resolve_layer_zip(attached)
            if archive:
                folders.append(unpacked(archive))
        return folders

    def _end(self) -> None:
        """End the process, if any, and drop what belonged to it."""
        process, self._proc = self._proc, None
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        self._drop()

    def _discard_tmpdir(self) -> None:
        """Remove the temporary folder; MiniStack calls this after it has killed the process."""
        with self._lock:  # closing a pipe under a reader would let it read another worker's
            self._drop()

    def _drop(self) -> None:
        """Close the pipes and remove the environment's ``/tmp``."""
        for pipe in (self._requests, self._answers):
            if pipe >= 0:
                os.close(pipe)
        self._requests = self._answers = -1
        if self._tmpdir:
            shutil.rmtree(self._tmpdir, ignore_errors=True)
            self._tmpdir = None


def _write_all(pipe: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(pipe, view) :]
