// Runs executions in aws-local-stepfunctions: one line of JSON in, one out, for each execution.
// Call it with the folder that npm has installed the packages in.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { join, resolve } from "node:path";

// adaptation: older runtime
Promise.withResolvers ??= function () {
  const parts = {};
  parts.promise = new Promise((fulfil, reject) => Object.assign(parts, { resolve: fulfil, reject }));
  return parts;
};

const load = createRequire(join(resolve(process.argv[2]), "package.json"));
const { StateMachine } = load("aws-local-stepfunctions");
const MANIFEST = ": manifest";

class ServiceError extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

function signed(service, region, token) {
  const scope = `Credential=test/20260101/${region}/${service}/aws4_request`;
  return {
    authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=0`,
    "x-amz-security-token": token,
  };
}

// adaptation: integrations
class Services {
  constructor({ endpoint, region, token }) {
    this.endpoint = endpoint;
    this.region = region;
    this.token = token;
  }

  async call(service, path, options) {
    const headers = { ...signed(service, this.region, this.token), ...options.headers };
    return fetch(`${this.endpoint}${path}`, { ...options, headers });
  }

  async invoke({ FunctionName, Payload }) {
    const path = `/2015-03-31/functions/${encodeURIComponent(FunctionName)}/invocations`;
    const body = JSON.stringify(Payload);
    const answer = await this.call("lambda", path, { method: "POST", body });
    const content = await answer.json();
    if (answer.status !== 200) {
      const name = (answer.headers.get("x-amzn-errortype") ?? content.__type).split(":")[0];
      throw new ServiceError(`Lambda.${name}`, content.message ?? content.Message ?? "");
    }
    if (answer.headers.get("x-amz-function-error")) {
      throw new ServiceError(content.errorType, JSON.stringify(content));
    }
    return { StatusCode: 200, Payload: content };
  }

  async putObject({ Bucket, Key, Body, ContentType }) {
    const headers = { "content-type": ContentType };
    const body = JSON.stringify(Body);
    const answer = await this.call("s3", `/${Bucket}/${Key}`, { method: "PUT", headers, body });
    if (!answer.ok) throw new ServiceError("S3.S3Exception", await answer.text());
    return { ETag: answer.headers.get("etag") };
  }

  async readItems({ Bucket, Key }) {
    const answer = await this.call("s3", `/${Bucket}/${Key}`, { method: "GET" });
    if (!answer.ok) {
      const text = `The specified key does not exist. (Bucket: ${Bucket}, Key: ${Key})`;
      throw new ServiceError("States.ItemReaderFailed", text);
    }
    return answer.json();
  }

  async publish({ TopicArn, Subject, Message }) {
    const body = new URLSearchParams({ Action: "Publish", TopicArn, Subject, Message });
    const answer = await this.call("sns", "/", { method: "POST", body });
    if (!answer.ok) throw new ServiceError("SNS.SnsException", await answer.text());
    return { MessageId: /<MessageId>(.+?)</.exec(await answer.text())[1] };
  }
}

function* tasks(states) {
  for (const [name, state] of Object.entries(states)) {
    yield [name, state];
    if (state.ItemProcessor) yield* tasks(state.ItemProcessor.States);
  }
}

async function count(events) {
  const found = {};
  for await (const event of events) {
    if (["StateEntered", "StateRetried"].includes(event.type)) {
      found[event.state.name] = (found[event.state.name] ?? 0) + 1;
    }
  }
  for (const name of Object.keys(found).filter((name) => name.endsWith(MANIFEST))) {
    found[name.slice(0, -MANIFEST.length)] = found[name];
    delete found[name];
  }
  return JSON.parse(JSON.stringify(found));
}

async function execute({ definition, input, name, machine, ...place }) {
  const services = new Services(place);
  const items = [];
  const handlers = {
    "arn:aws:states:::lambda:invoke": (given) => services.invoke(given),
    "arn:aws:states:::aws-sdk:s3:putObject": (given) => services.putObject(given),
    "arn:aws:states:::sns:publish": (given) => services.publish(given),
    "arn:aws:states:::aws-sdk:s3:getObject": async (given) => {
      items.splice(0, items.length, ...(await services.readItems(given)));
      return null;
    },
  };
  const taskResourceLocalHandlers = {};
  const retryIntervalOverrides = {};
  for (const [state, { Type, Resource, Retry }] of tasks(definition.States)) {
    if (Type === "Task") taskResourceLocalHandlers[state] = handlers[Resource];
    if (Retry) retryIntervalOverrides[state] = 0; // adaptation: no waits
  }
  const arn = `${machine.replace(":stateMachine:", ":execution:")}:${name}`;
  const run = new StateMachine(definition).run(input, {
    overrides: { taskResourceLocalHandlers, retryIntervalOverrides },
    context: { Execution: { Name: name, Id: arn }, Manifest: { Items: items } },
  });
  const counted = count(run.eventLogs);
  try {
    const output = JSON.stringify(await run.result);
    return { status: "SUCCEEDED", output, attempts: await counted };
  } catch (failed) {
    if (!(failed.cause instanceof Error)) throw failed;
    const { name: error, message: cause } = failed.cause;
    return { status: "FAILED", error, cause, attempts: await counted };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await execute(JSON.parse(line));
  } catch (error) {
    answer = { problem: `${error.stack}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
