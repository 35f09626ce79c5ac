'use strict';
// Notes every request that leaves this process, so that a test can assert what a client really sends:
// {method, path, headers, body, json}, of a large body the first 64 KiB.
// A driver that runs several jobs calls reset() before each.

const http = require('node:http');
const { subscribe } = require('node:diagnostics_channel');

const KEPT_BYTES = 64 * 1024;
const sent = [];

/** Header names in lower case, each with one string. */
const plain = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value].flat().join(', ')]));

/** node-fetch and axios both end in http.request. */
const request = http.request;
http.request = function (...args) {
  const outgoing = request.apply(this, args);
  const note = { method: outgoing.method, path: outgoing.path, headers: {}, body: '', json: null };
  const chunks = [];
  let size = 0;
  for (const verb of ['write', 'end']) {
    const original = outgoing[verb];
    outgoing[verb] = function (chunk, ...rest) {
      if (typeof chunk === 'string' || Buffer.isBuffer(chunk)) {
        size += chunk.length;
        if (size <= KEPT_BYTES) {
          chunks.push(Buffer.from(chunk));
        }
      }
      return original.call(this, chunk, ...rest);
    };
  }
  outgoing.once('finish', () => {
    note.headers = plain(outgoing.getHeaders());
    note.body = Buffer.concat(chunks).toString('utf8');
    const isJson = note.headers['content-type'] === 'application/json' && size <= KEPT_BYTES;
    note.json = isJson ? JSON.parse(note.body) : null;
  });
  sent.push(note);
  return outgoing;
};

/** The built-in fetch (client 1.8.8) has a stack of its own, which tells everything but the body. */
subscribe('undici:request:create', ({ request: { method, path, headers } }) => {
  const lines = Array.isArray(headers) ? headers.map(String) : headers.split('\r\n').flatMap((line) => line.split(': '));
  const pairs = lines.flatMap((name, i) => (i % 2 === 0 && name !== '' ? [[name, lines[i + 1]]] : []));
  sent.push({ method, path, headers: plain(Object.fromEntries(pairs)), body: '', json: null });
});

const reset = () => {
  sent.length = 0;
};

module.exports = { sent, reset };
