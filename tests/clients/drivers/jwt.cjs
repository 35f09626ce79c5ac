'use strict';
// LibreChat's tokens, made as LibreChat makes them: EdDSA, with Node's own crypto.
//
// Job: {} for a new key pair, or {privateKey, kid, claims} for a token that is valid now.

const crypto = require('node:crypto');
const { run } = require('./io.cjs');

const LIFETIME_SECONDS = 300;

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function keyPair() {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('ed25519');
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

function token({ privateKey, kid, claims }) {
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, nbf: now, exp: now + LIFETIME_SECONDS };
  const names = { iss: 'librechat', aud: 'codeapi', jti: crypto.randomUUID(), principal_source: 'session' };
  const signed = `${encoded({ alg: 'EdDSA', typ: 'JWT', kid })}.${encoded({ ...names, ...times, ...claims })}`;
  return { token: `${signed}.${crypto.sign(null, Buffer.from(signed), privateKey).toString('base64url')}` };
}

run((job) => (job.privateKey ? token(job) : keyPair()));
