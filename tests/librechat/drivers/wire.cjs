'use strict';
// Notes what is asked of the Code API, as "<METHOD> <path>".

const { subscribe } = require('node:diagnostics_channel');

const { host, pathname } = new URL(process.env.LIBRECHAT_CODE_BASEURL);
const prefix = pathname.replace(/\/$/, '');
const sent = [];

const note = (method, target, route) => {
  if (target === host) {
    sent.push(`${method} ${route.slice(prefix.length).split('?')[0]}`);
  }
};

subscribe('http.client.request.start', ({ request }) => note(request.method, request.getHeader('host'), request.path));
subscribe('undici:request:create', ({ request: { method, origin, path } }) => note(method, new URL(origin).host, path));

module.exports = { sent };
