'use strict';
// LibreChat's own server, as far as the Code API sees it: uploads, liveness probes, downloads, file helpers.
//
// Job: {op, generation: "old" | "new", userId, authHeaders?, ...}; what else, each verb below names.
// Result: {value | error: {status, data, message}, sent}

const fs = require('node:fs');
const http = require('node:http');
const { PassThrough } = require('node:stream');
const { run, projectRequire } = require('./io.cjs');
const { sent } = require('./wire.cjs');

const require_ = projectRequire();
const axios = require_('axios').create();
const FormData = require_('form-data');

const baseURL = process.env.LIBRECHAT_CODE_BASEURL;
const MAX_FILE_BYTES = 150 * 1024 * 1024;
const PROBE_TIMEOUT_MS = 5_000;
const CALL_TIMEOUT_MS = 15_000;
const UPLOAD_TIMEOUT_MS = 120_000;

/** Old releases always send their key; new ones send a JWT or nothing, and never keep a connection. */
function requestOptions(job, timeout) {
  const credential = job.generation === 'old' ? { 'X-API-Key': process.env.LIBRECHAT_CODE_API_KEY } : job.authHeaders;
  const agent = job.generation === 'old' ? {} : { httpAgent: new http.Agent({ keepAlive: false }) };
  return { headers: { 'User-Agent': 'LibreChat/1.0', ...credential }, timeout, ...agent };
}

/** Where old releases say whose a file is by entity_id, new ones do by kind, id and version. */
function identity({ generation, entityId, kind, id, version }) {
  const pairs = generation === 'old' ? { entity_id: entityId } : { kind, id, version };
  return Object.entries(pairs).filter(([, value]) => value !== undefined);
}

/** A file on disk is sent with its length; one that comes from a bucket is a bare stream, sent in chunks. */
const openFile = ({ path, fromBucket }) =>
  fromBucket ? fs.createReadStream(path).pipe(new PassThrough()) : fs.createReadStream(path);

/** Old releases pass the bare name, of which form-data keeps the last part; new ones keep directories. */
function partOptions(generation, filename) {
  const nested = generation === 'new' && filename.includes('/');
  if (generation === 'old') {
    return filename;
  }
  return nested ? { filename: filename.split('/').at(-1), filepath: filename } : { filename };
}

async function postForm(route, job) {
  const form = new FormData();
  identity(job).forEach(([name, value]) => form.append(name, String(value)));
  if (job.readOnly) {
    form.append('read_only', 'true');
  }
  job.files.forEach((file) => form.append('file', openFile(file), partOptions(job.generation, file.filename)));
  const options = requestOptions(job, UPLOAD_TIMEOUT_MS);
  options.headers = {
    ...form.getHeaders(),
    // Without a boundary, as LibreChat writes it: axios puts the one of the form in its place.
    'Content-Type': 'multipart/form-data',
    'User-Id': job.userId,
    ...options.headers,
  };
  const limits = { maxContentLength: MAX_FILE_BYTES, maxBodyLength: MAX_FILE_BYTES };
  return (await axios.post(`${baseURL}${route}`, form, { ...options, ...limits })).data;
}

const query = (job) => (identity(job).length ? `?${new URLSearchParams(identity(job))}` : '');

async function get(job, route, timeout, options = {}) {
  return axios({ method: 'get', url: `${baseURL}${route}`, ...requestOptions(job, timeout), ...options });
}

async function drained(stream) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const asBase64 = ({ status, headers }, bytes) => ({ status, headers: { ...headers }, base64: bytes.toString('base64') });

const verbs = {
  /** files: [{path, filename, fromBucket?}] */
  upload: (job) => postForm('/upload', job),
  uploadBatch: (job) => postForm('/upload/batch', job),

  /** The probe of one file, {sid, fid}: its lastModified, or null where LibreChat would upload it again. */
  async lastModified(job) {
    if (job.generation === 'new') {
      const answer = await get(job, `/sessions/${job.sid}/objects/${job.fid}${query(job)}`, PROBE_TIMEOUT_MS);
      return answer.data?.lastModified;
    }
    const params = { detail: 'summary', ...Object.fromEntries(identity(job)) };
    const answer = await get(job, `/files/${job.sid}`, PROBE_TIMEOUT_MS, { params });
    return answer.data.find((file) => file.name.startsWith(`${job.sid}/${job.fid}`))?.lastModified;
  },

  /** The whole answer of the new probe, or of the listing with `detail`. */
  async object(job) {
    return (await get(job, `/sessions/${job.sid}/objects/${job.fid}${query(job)}`, PROBE_TIMEOUT_MS)).data;
  },
  async listing(job) {
    return (await get(job, `/files/${job.sid}`, PROBE_TIMEOUT_MS, { params: { detail: job.detail } })).data;
  },

  /** How outputs are fetched into LibreChat's own storage. */
  async downloadBuffer(job) {
    const options = { responseType: 'arraybuffer' };
    const answer = await get(job, `/download/${job.sid}/${job.fid}${query(job)}`, CALL_TIMEOUT_MS, options);
    return asBase64(answer, Buffer.from(answer.data, 'binary'));
  },
  /** How the browser gets one: LibreChat pipes it on, with all its headers. */
  async downloadStream(job) {
    const options = { responseType: 'stream' };
    const answer = await get(job, `/download/${job.sid}/${job.fid}${query(job)}`, CALL_TIMEOUT_MS, options);
    return asBase64(answer, await drained(answer.data));
  },

  /** route: "files" or "objects" */
  async delete(job) {
    const place = { files: `/files/${job.sid}/${job.fid}`, objects: `/sessions/${job.sid}/objects/${job.fid}` };
    const url = `${baseURL}${place[job.route]}${query(job)}`;
    return (await axios({ method: 'delete', url, ...requestOptions(job, CALL_TIMEOUT_MS) })).data;
  },

  /** POST /exec with {body}, as the read_file, create_file and edit_file helpers do. */
  async exec(job) {
    const options = requestOptions(job, CALL_TIMEOUT_MS);
    options.headers = { 'Content-Type': 'application/json', ...options.headers };
    return (await axios({ method: 'post', url: `${baseURL}/exec`, data: job.body, ...options })).data;
  },
};

/** The body of a failed call; with responseType stream or arraybuffer it is not parsed yet. */
async function errorBody(data) {
  const bytes = typeof data?.pipe === 'function' ? await drained(data) : data;
  return Buffer.isBuffer(bytes) ? JSON.parse(bytes.toString('utf8')) : bytes;
}

run(async (job) => {
  try {
    return { value: (await verbs[job.op](job)) ?? null, sent };
  } catch (error) {
    const { status, data } = error.response ?? {};
    return { error: { status: status ?? null, data: (await errorBody(data)) ?? null, message: error.message }, sent };
  }
});
