'use strict';
// Files at the Code API, as LibreChat's server handles them: upload, probe, download. A ref is {sid, fid}.

const { send, upload } = require('../../clients/drivers/codeapi.cjs');
const { now } = require('./clock.cjs');

const PROBE_TIMEOUT_MS = 5_000;
const DOWNLOAD_TIMEOUT_MS = 15_000;
const ALIVE_MS = 23 * 60 * 60 * 1000;

/** From v0.8.6 on attachments and outputs belong to the user; before, no owner is named. */
const owner = ({ generation, userId }) => (generation === 'new' ? { kind: 'user', id: userId } : {});

async function uploadFile(user, file) {
  const reply = await upload('/upload', { ...user, ...owner(user), files: [file] });
  if (reply.message !== 'success') {
    throw new Error(`upload: ${reply.message}`);
  }
  return { sid: user.generation === 'old' ? reply.session_id : reply.storage_session_id, fid: reply.files[0].fileId };
}

const probes = {
  async old(user, { sid, fid }) {
    const params = { detail: 'summary' };
    const { data } = await send(user, { route: `/files/${sid}`, params, timeout: PROBE_TIMEOUT_MS });
    return data.find((file) => file.name.startsWith(`${sid}/${fid}`))?.lastModified;
  },
  async new(user, { sid, fid }) {
    const params = owner(user);
    const { data } = await send(user, { route: `/sessions/${sid}/objects/${fid}`, params, timeout: PROBE_TIMEOUT_MS });
    return data?.lastModified;
  },
};

/** Whether LibreChat considers an object alive: it exists, and was modified less than 23 hours ago. */
async function isAlive(user, ref) {
  const lastModified = await probes[user.generation](user, ref).catch(() => null);
  return lastModified != null && now() - new Date(lastModified).getTime() < ALIVE_MS;
}

async function download(user, { sid, fid }) {
  const options = { params: owner(user), responseType: 'arraybuffer', timeout: DOWNLOAD_TIMEOUT_MS };
  const { data } = await send(user, { route: `/download/${sid}/${fid}`, ...options });
  return Buffer.from(data);
}

module.exports = { uploadFile, isAlive, download };
