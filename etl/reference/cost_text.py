"""The sentences of ``docs/cost.md`` between its tables."""

from __future__ import annotations

__all__ = [
    "ASSUMED",
    "BASIC_INGEST",
    "INTRODUCTION",
    "PARTS",
    "QUOTAS",
    "REACH",
    "SCALE",
    "SOURCES",
]

INTRODUCTION = """\
# What it costs, and how far it goes

Written by `python -m etl.reference.cost`: do not edit. All on paper: prices of US East (N.
Virginia), arm64, no free tier and no discount; durations from what the functions were measured to
use; a simulation for how far it goes. None of it has been compared with an invoice. `etl cost`
works out the same for your fleet.

Unless a table says otherwise, each device has one reading a second, is always connected, and puts
50 readings of `contracts/fleet.toml` into a message; objects in S3 are kept for a year, and the
bill is that of the month after.
"""
PARTS = """\
*The pipeline* is all that grows with batches and messages: queue, functions, workflow, requests to
S3, logs, traces. *Fixed* is what an idle stack costs: key, secrets, metrics, alarms, dashboard,
polling, the sweep's empty rounds. The schedule's rows end where one drain a minute no longer takes
what comes.
"""
QUOTAS = """\
### The quotas

Where each is met, in readings a second, drawn on in a straight line from the simulated million,
with the trigger and database fitted to it. The fleets here never get near a connection's limit; a
gateway that sends for many devices may.
"""
REACH = """\
A message of up to 5 KB costs as much as an empty one, so few readings in many messages is the
dearest way to send. Basic Ingest takes away the messages' price, never the rules' or the queue's.

## Under ${aim} a million readings?

We set out for less than ${aim} for a million readings beyond IoT's messages, at 50 readings a
message. **It depends on how long a reading is and how large the batches are.** A reading of
`fleet.toml` is {measured:.0f} bytes of JSON with its names spelled out, so that 50 of them are more
than 5 KB, and ten such messages more than 64 KB in the queue: IoT's rules engine bills each
message twice, SQS each receipt. With {compact:.0f} bytes (short names, or rows of values) they fit.
And each batch costs what seven state transitions, some twenty S3 requests and their logs do,
whatever is in it: the queue trigger's five pollers share out a window's messages, so at low rates
its batches are small.
"""
BASIC_INGEST = """\

## Basic Ingest

A device that publishes to `$aws/rules/<rule>/<its topic>` hands the message straight to the rule,
past the message broker, and pays for no message
([AWS](https://docs.aws.amazon.com/iot/latest/developerguide/iot-basic-ingest.html), read 2026-11).
The deployed policy lets every device do so, for its own topic only: under Basic Ingest the rule's
`FROM` is not asked, so the policy is what ties a device to its topic. In the rule `topic()` is
without the prefix, so that raw objects, columns taken from the topic and rejects are the same
either way; one fleet may use both. The prefix is the stack's output `BasicIngestPrefix`:

```sh
etl simulate --basic-ingest
etl publish readings.ndjson --readings 50 --basic-ingest
```

What it gives up: nobody else can subscribe to such messages, and a message to a rule that is
disabled or gone is dropped with an entry in IoT's log (metric `RuleNotFound`). On the laptop it
works as on AWS: the emulator runs the named rule and gives it the topic without the prefix.
"""
SCALE = """\
## How far it goes

`etl/cost/simulation.py` sends an even stream through queue, trigger, workflow and database,
batch by batch, with the durations that the bill is made of. PostgreSQL is two writers, each as fast
as the one measured here ({database} rows/s into a growing table with its key); that writers add up
is what a larger server promises, and what the machine of [performance.md](performance.md), with two
processors for server and clients together, does not show: there two loads at once were 1.3 times
one. A scheduled drain with the defaults takes at most {drain} readings/s at 50 a message, since one
function receives for 20 s of a minute.

With the queue trigger as deployed:
"""
ASSUMED = """\
Wall-clock time against AWS can't be measured on a laptop. Measured are, of the handlers themselves
over micro-batches of 20 to 8,000 messages (`python -m bench.durations`, {machine}, {date}, into
`etl/cost/measured.json`): processor seconds, seconds in PostgreSQL, calls to AWS, bytes of
objects and logs. The rest is assumed:

- A processor of Lambda on arm64 is as fast as the measured one; a function has its memory's share
  of one ({whole} MB is a whole one) and no second one.
- S3 answers in {s3:.0f} ms and SQS in {sqs:.0f} ms, calls wait for each other (Extract's are shared
  by its receivers); no cold starts, no retries, nothing rejected but the bench's 2 %.
- The queue's trigger gathers one batch in each poller; Step Functions charges a transition for a
  map's child, logs {event:,} bytes an event, and samples every trace. All three are the dear way to
  read the documentation.
- A bucket key makes S3 ask KMS once for {objects} requests. A stack has {metrics} custom metrics
  and {alarms} alarms. Lifecycle moves no object below 128 KiB.
- The sweep lists 15 days of raw/ and outcomes/ each quarter of an hour.
- The messages of a month are spread evenly: a fleet that reports on the hour needs what its peak
  needs.
"""
SOURCES = """\
## The prices

As of {as_of}. *checked*: `page`, on AWS's page; `transcript`, in a dated transcript of it (AWS
fills its tables in by script); `price list`, from AWS's Price List as the reference results of
infracost show it, with the release; `secondary`, in an article of that date; `unverified`, in none
of these: look before you rely on it. The table is `etl/cost/prices.toml`.
"""
