'use strict';
// LibreChat's own server, as far as the Code API sees it: uploads, liveness probes, downloads, file helpers.
//
// Job: {op, generation: "old" | "new", userId, authHeaders?, ...}; what else, each verb below names. Whose a file
// is: {entityId?} for old releases, {kind?, id?, version?} for new ones.
// Result: {value | error: {status, data, message}, sent}

const { run } = require('./io.cjs');
const wire = require('./wire.cjs');
const { send, upload, identity } = require('./codeapi.cjs');

const PROBE_TIMEOUT_MS = 5_000;
const CALL_TIMEOUT_MS = 15_000;

const query = (job) => (identity(job).length ? `?${new URLSearchParams(identity(job))}` : '');
const objectRoute = (job) => `/sessions/${job.sid}/objects/${job.fid}`;
const fileRoute = (job) => `/files/${job.sid}/${job.fid}`;

async function drained(stream) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function list(job, params) {
  const response = await send(job, { route: `/files/${job.sid}`, params, timeout: PROBE_TIMEOUT_MS });
  return response.data;
}

async function object(job) {
  const response = await send(job, { route: `${objectRoute(job)}${query(job)}`, timeout: PROBE_TIMEOUT_MS });
  return response.data;
}

async function download(job, responseType) {
  const route = `/download/${job.sid}/${job.fid}${query(job)}`;
  const { headers, data } = await send(job, { route, responseType, timeout: CALL_TIMEOUT_MS });
  const bytes = responseType === 'stream' ? await drained(data) : Buffer.from(data, 'binary');
  return { headers: { ...headers }, base64: bytes.toString('base64') };
}

const verbs = {
  /** files: [{path, filename, fromBucket?}], readOnly? */
  upload: (job) => upload('/upload', job),
  uploadBatch: (job) => upload('/upload/batch', job),

  /** The probe of one file, {sid, fid}: when it was last modified, or null and LibreChat uploads it again. */
  async lastModified(job) {
    if (job.generation === 'new') {
      return (await object(job)).lastModified;
    }
    const files = await list(job, { detail: 'summary', ...Object.fromEntries(identity(job)) });
    return files.find((file) => file.name.startsWith(`${job.sid}/${job.fid}`))?.lastModified;
  },

  /** The whole answer of the new probe; the listing of a session with {detail}. */
  object,
  listing: (job) => list(job, { detail: job.detail }),

  /** How outputs get into LibreChat's own storage; and how they get to a browser, with all their headers. */
  downloadBuffer: (job) => download(job, 'arraybuffer'),
  downloadStream: (job) => download(job, 'stream'),

  /** route: "files" or "objects" */
  async delete(job) {
    const route = job.route === 'files' ? fileRoute(job) : objectRoute(job);
    const response = await send(job, { method: 'delete', route: `${route}${query(job)}`, timeout: CALL_TIMEOUT_MS });
    return response.data;
  },

  /** POST /exec with {body}, as the read_file, create_file and edit_file helpers do. */
  async exec(job) {
    const json = { headers: { 'Content-Type': 'application/json' }, data: job.body };
    const response = await send(job, { method: 'post', route: '/exec', timeout: CALL_TIMEOUT_MS, ...json });
    return response.data;
  },
};

/** The body of a failed call; with responseType stream or arraybuffer it is not parsed yet. */
async function errorBody(data) {
  const bytes = typeof data?.pipe === 'function' ? await drained(data) : data;
  return Buffer.isBuffer(bytes) ? JSON.parse(bytes.toString('utf8')) : bytes;
}

run(async (job) => {
  wire.reset();
  try {
    return { value: (await verbs[job.op](job)) ?? null, sent: wire.sent };
  } catch (error) {
    const { status, data } = error.response ?? {};
    return { error: { status: status ?? null, data: (await errorBody(data)) ?? null, message: error.message }, sent: wire.sent };
  }
});
