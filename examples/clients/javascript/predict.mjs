// A client of the REST API for Node 18 or newer and for browsers: only `fetch`, nothing to install.
//
//   node predict.mjs http://localhost:8501 half_plus_two '[1.0, 2.0, 5.0]'
//
// In a page: `import { predict } from "./predict.mjs"`. A page that comes from elsewhere needs a
// server that sends CORS headers, as TensorFlow Serving does with --rest_api_enable_cors_support.

/** What a server refused, with the HTTP status and, from Servable, what to do about it. */
export class PredictError extends Error {
  constructor(status, message, hint = "") {
    super(message);
    this.name = "PredictError";
    this.status = status;
    this.hint = hint;
  }
}

/**
 * Run a model.
 *
 * @param {string} server for example "http://localhost:8501"
 * @param {string} model the model's name
 * @param {Array | object} inputs nested arrays for a model with one input, or { alias: arrays }
 * @param {{version?: number, label?: string, signature?: string, seconds?: number}} options
 * @returns {Promise<any>} the one output, or { alias: output }
 */
export async function predict(server, model, inputs, options = {}) {
  const body = { inputs };
  if (options.signature) body.signature_name = options.signature;
  const answer = await ask(server, model, ":predict", options, body);
  return answer.outputs;
}

/**
 * Ask where the versions of a model are in their lives.
 *
 * @returns {Promise<Array<{version: string, state: string, status: object}>>}
 */
export async function status(server, model, options = {}) {
  return (await ask(server, model, "", options)).model_version_status;
}

async function ask(server, model, verb, { version, label, seconds = 60 }, body) {
  let path = `/v1/models/${encodeURIComponent(model)}`;
  if (version !== undefined) path += `/versions/${version}`;
  else if (label !== undefined) path += `/labels/${encodeURIComponent(label)}`;
  const response = await fetch(server + path + verb, {
    method: body === undefined ? "GET" : "POST",
    // Without a type of its own the request needs no preflight in browsers; servers do not look.
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(1000 * seconds),
  });
  const text = await response.text();
  if (!response.ok) {
    let error;
    try {
      error = JSON.parse(text);
    } catch {
      error = { error: text };
    }
    throw new PredictError(response.status, error.error, error.hint);
  }
  // The API writes NaN and Infinity bare, which JSON does not know: null stands for them here.
  return JSON.parse(text.replace(/("(?:[^"\\]|\\.)*")|-?\b(?:NaN|Infinity)\b/g, (_, string) => string ?? "null"));
}

if (globalThis.process?.argv[1]?.endsWith("predict.mjs")) {
  const [server, model, inputs, version] = process.argv.slice(2);
  if (inputs === undefined) {
    console.error("usage: node predict.mjs SERVER MODEL INPUTS [VERSION]");
    process.exit(2);
  }
  try {
    console.log(JSON.stringify(await predict(server, model, JSON.parse(inputs), { version })));
  } catch (error) {
    console.error(`error: ${error.message}`);
    if (error.hint) console.error(`hint: ${error.hint}`);
    process.exitCode = 1;
  }
}
