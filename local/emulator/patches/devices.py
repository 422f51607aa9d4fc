"""AWS IoT Core: who may connect, and as whom; and rules take any payload.

AWS: a device connects with a registered, active X.509 certificate or not at all, and the policies
attached to that certificate decide on every connect, publish and subscribe. ``DescribeEndpoint``
names the host that devices dial. A rule that doesn't look into a payload carries it, whatever it
is. A last will is a message of the client that set it.

MiniStack 1.5.33: the listener binds every interface, takes clients without a certificate, looks at
IoT policies only when all of IAM is enforced (``AUTH=true``), and names a host that no resolver
knows. It parses each payload as JSON, and one that is nested deeper than Python's recursion goes,
or a number of more digits than Python takes, ends the device's connection without an answer. It
publishes a last will without the name of its device, so that ``clientid()`` is ``n/a``.
Remove each part when the released emulator does as AWS does, or has a setting for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import ssl
from typing import Any

from ministack.services import iot

__all__ = ["RELIES_ON", "apply"]

RELIES_ON = (
    "services.iot._MtlsAcceptor.connection_made", "services.iot._PROVISIONING_HOOK_SECONDS",
    "services.iot._WSSession._evaluates_policies", "services.iot._WSSession.cleanup",
    "services.iot._describe_endpoint", "services.iot._mtls_build_ssl_context",
    "services.iot._mtls_loop", "services.iot._mtls_port", "services.iot._mtls_server",
    "services.iot._mtls_start_locked", "services.iot._rule_message",
    "services.iot.broker_publish", "services.iot.json_response",
)  # fmt: skip

HOOK_SECONDS = 120
"""AWS IoT waits five seconds for a provisioning hook. So long as the function may run by its own
configuration; a test on a busy machine lets it run longer, and the broker waits for it."""
_HOST = "127.0.0.1"


def apply() -> None:
    """Loopback only, certificates, policies, an endpoint one can dial, any payload, wills."""
    iot._mtls_start_locked = _listen_on_loopback
    _keep_the_first_bytes()
    _require_certificates()
    _enforce_policies()
    _name_the_listener()
    _take_any_payload()
    _name_the_client_of_a_will()
    iot._PROVISIONING_HOOK_SECONDS = HOOK_SECONDS


async def _listen_on_loopback() -> None:
    """The original with another host. A laptop's emulator must not be reachable from outside."""
    port = iot._mtls_port()
    if iot._mtls_server is not None or port is None:
        return
    loop = asyncio.get_running_loop()
    # An error here ends the start: without its MQTT port this emulator is of no use.
    iot._mtls_server = await loop.create_server(iot._MtlsAcceptor, host=_HOST, port=port)
    iot._mtls_loop = loop


def _keep_the_first_bytes() -> None:
    """Pause a new connection after asyncio has begun to read it, not before.

    The acceptor pauses in ``connection_made`` so that the ClientHello waits in the kernel until TLS
    takes over. CPython before 3.11.4 then starts reading all the same, and while the first
    connection waits for its TLS context, its ClientHello is read, lost, and never answered. Can go
    when 3.11.4 is the oldest Python that we support.
    """
    accepted = iot._MtlsAcceptor.connection_made

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        asyncio.get_running_loop().call_soon(accepted, self, transport)

    iot._MtlsAcceptor.connection_made = connection_made


def _require_certificates() -> None:
    build_context = iot._mtls_build_ssl_context

    def build_strict_context() -> ssl.SSLContext:
        context: ssl.SSLContext = build_context()
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    iot._mtls_build_ssl_context = build_strict_context


def _enforce_policies() -> None:
    """Evaluate a certificate's IoT policies without turning on IAM for every other service."""

    def evaluates_policies(session: Any) -> bool:
        return session.certificate_id is not None or session.iam_credential is not None

    iot._WSSession._evaluates_policies = evaluates_policies


def _name_the_listener() -> None:
    """``iot:Data-ATS`` becomes ``127.0.0.1:<port>``; AWS gives a bare host, whose port is 8883."""
    describe = iot._describe_endpoint
    address = f"{_HOST}:{os.environ['IOT_MTLS_PORT']}"

    def describe_endpoint(query: dict[str, Any]) -> Any:
        if query.get("endpointType", "iot:Data-ATS") == "iot:Data-ATS":
            return iot.json_response({"endpointAddress": address})
        return describe(query)

    iot._describe_endpoint = describe_endpoint


def _take_any_payload() -> None:
    """Treat a payload that the parser fails on as text, like one that is not JSON."""
    parse = iot._rule_message

    def rule_message(payload: bytes) -> Any:
        try:
            return parse(payload)
        except (RecursionError, ValueError):
            return payload.decode()

    iot._rule_message = rule_message


_ENDING: contextvars.ContextVar[Any] = contextvars.ContextVar("ending_session", default=None)
"""Session that is being ended, whose last will may be published."""


def _name_the_client_of_a_will() -> None:
    cleanup, publish = iot._WSSession.cleanup, iot.broker_publish

    async def cleanup_as_the_client(session: Any) -> None:
        token = _ENDING.set(session)
        try:
            await cleanup(session)
        finally:
            _ENDING.reset(token)

    async def publish_as_the_client(
        account_id: str, region: str, topic: str, *rest: Any, **named: Any
    ) -> None:
        session = _ENDING.get()
        if session is not None and topic == session._will_topic:
            named.setdefault("client_id", session._client_id or None)
        await publish(account_id, region, topic, *rest, **named)

    iot._WSSession.cleanup = cleanup_as_the_client
    iot.broker_publish = publish_as_the_client
