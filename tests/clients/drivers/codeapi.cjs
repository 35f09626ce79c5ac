'use strict';
// How LibreChat's own server sends requests to the Code API: the headers, forms and agents of old and new releases.

const fs = require('node:fs');
const http = require('node:http');
const { PassThrough } = require('node:stream');
const { projectRequire } = require('./io.cjs');

const ofClient = projectRequire();
const axios = ofClient('axios').create();
const FormData = ofClient('form-data');

const baseURL = process.env.LIBRECHAT_CODE_BASEURL;
const MAX_FILE_BYTES = 150 * 1024 * 1024;
const UPLOAD_TIMEOUT_MS = 120_000;

/**
 * Old releases send their key, if they have one: builds between v0.8.5 and v0.8.6-rc1 do not. New ones send a JWT or
 * nothing, say what sandbox they expect, and keep no connection.
 */
function commonOptions({ generation, authHeaders }) {
  const userAgent = { 'User-Agent': 'LibreChat/1.0' };
  if (generation === 'old') {
    const key = process.env.LIBRECHAT_CODE_API_KEY;
    return { headers: { ...userAgent, ...(key ? { 'X-API-Key': key } : {}) } };
  }
  return {
    headers: { ...userAgent, ...authHeaders, 'X-CodeAPI-Expected-Profile': 'default' },
    httpAgent: new http.Agent({ keepAlive: false }),
  };
}

/** Where old releases say whose a file is by entity_id, new ones do by kind, id and version, in this order. */
function identity({ generation, entityId, kind, id, version }) {
  const named = generation === 'old' ? { entity_id: entityId } : { kind, id, version };
  return Object.entries(named).filter(([, value]) => value !== undefined);
}

/** Send a request, {method?, route, headers?, ...options of axios}, and return axios's response. */
function send(job, { route, headers, ...options }) {
  const common = commonOptions(job);
  return axios({ ...common, ...options, url: `${baseURL}${route}`, headers: { ...headers, ...common.headers } });
}

/** A file on disk is sent with its length; one that comes from a bucket is a bare stream, sent in chunks. */
const openFile = ({ path, fromBucket }) =>
  fromBucket ? fs.createReadStream(path).pipe(new PassThrough()) : fs.createReadStream(path);

/** Old releases pass the bare name, of which form-data keeps the last part; new ones keep directories. */
function partOptions(generation, filename) {
  if (generation === 'old') {
    return filename;
  }
  return filename.includes('/') ? { filename: filename.split('/').at(-1), filepath: filename } : { filename };
}

/** Upload job.files: text fields first, then each file as `file`. */
async function upload(route, job) {
  const form = new FormData();
  identity(job).forEach(([name, value]) => form.append(name, String(value)));
  if (job.readOnly) {
    form.append('read_only', 'true');
  }
  job.files.forEach((file) => form.append('file', openFile(file), partOptions(job.generation, file.filename)));
  // Without a boundary, as LibreChat writes it: axios puts the one of the form in its place.
  const headers = { ...form.getHeaders(), 'Content-Type': 'multipart/form-data', 'User-Id': job.userId };
  const limits = { timeout: UPLOAD_TIMEOUT_MS, maxContentLength: MAX_FILE_BYTES, maxBodyLength: MAX_FILE_BYTES };
  const response = await send(job, { method: 'post', route, data: form, headers, ...limits });
  return response.data;
}

module.exports = { send, upload, identity };
