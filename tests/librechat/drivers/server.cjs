'use strict';
// LibreChat's server of one release, without its web pages: uploads, messages, downloads, deletions. One JSON request
// a line on stdin, {verb, ...}; one JSON answer a line on stdout, {value | error, logged}.

const answers = process.stdout.write.bind(process.stdout);
for (const level of ['log', 'debug', 'info', 'warn']) {
  console[level] = console.error;
}

const fs = require('node:fs');
const path = require('node:path');
const http = require('node:http');
const readline = require('node:readline');
const { randomUUID } = require('node:crypto');
const { own, textOf, ofProject } = require('./modules.cjs');
const { used } = require('./stubs.cjs');
const { modelOf, ObjectId } = require('./database.cjs');
const { MODEL, configuration, request, response, logged, agent, agentOf, prepare } = require('./environment.cjs');
const { sent } = require('./wire.cjs');
const { shift } = require('./clock.cjs');
const model = require('./model.cjs');

const NO_PARENT = '00000000-0000-0000-0000-000000000000';
const baseURL = process.env.LIBRECHAT_CODE_BASEURL;

/** For requests of the driver's own: what happens to their sockets must not happen to LibreChat's. */
const apart = new http.Agent({ keepAlive: false });

/** The id of each conversation's last message. */
const heads = new Map();

const files = () => own('~/server/services/Files/process');
const strategies = () => own('~/server/services/Files/strategies');
const recordOf = (id) => modelOf('File').documents.find((file) => file.file_id === id);

/** Where LibreChat believes a file to be in the Code API: {sid, fid, query}. */
function placeOf({ metadata = {} }) {
  const { codeEnvRef: ref, fileIdentifier } = metadata;
  if (ref) {
    const version = ref.kind === 'skill' ? { version: ref.version } : {};
    const query = new URLSearchParams({ kind: ref.kind, id: ref.id, ...version }).toString();
    return { sid: ref.storage_session_id, fid: ref.file_id, query };
  }
  if (!fileIdentifier) {
    return null;
  }
  const [ids, query = ''] = fileIdentifier.split('?');
  const [sid, fid] = ids.split('/');
  return { sid, fid, query };
}

/** The header with which this release proves itself to the Code API: its key, or a token that it signs, or none. */
async function credential(user) {
  const key = process.env.LIBRECHAT_CODE_API_KEY;
  return key ? { 'X-API-Key': key } : own('@librechat/api').getCodeApiAuthHeaders(request(user, {}));
}

/** Ask the Code API itself, behind LibreChat's back; gives axios's response, whatever its status. */
async function ask(method, route, user, { headers, ...more } = {}) {
  const options = { method, url: `${baseURL}${route}`, validateStatus: () => true, httpAgent: apart, ...more };
  return ofProject('axios')({ ...options, headers: { ...headers, ...(await credential(user)) } });
}

async function bytesOf(stream) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What the middleware before v0.7.8 does with the files of the conversation so far. */
async function earlierAttachments({ conversationId, files: attached }) {
  if (!textOf('~/server/middleware/buildEndpointOption').includes('getConvoFiles')) {
    return undefined;
  }
  const known = await own('~/models/Conversation').getConvoFiles(conversationId);
  return attached.length || known.length ? files().processFiles(attached, known) : undefined;
}

/** Send a user's message as LibreChat's page does, and wait for the reply. */
async function send({ conversation, user, text, files: attached, isStateful }) {
  const res = response();
  const parentMessageId = heads.get(conversation) ?? NO_PARENT;
  const body = {
    text,
    conversationId: conversation,
    parentMessageId,
    messageId: randomUUID(),
    endpoint: 'agents',
    agent_id: agentOf(user),
    files: attached.map(recordOf),
  };
  const req = request(user, body);
  const endpointOption = {
    endpoint: 'agents',
    agent_id: agentOf(user),
    resendFiles: true,
    model_parameters: { model: MODEL },
    agent: Promise.resolve(agent(agentOf(user), isStateful ? { stateful_code_sessions: true } : {})),
    attachments: await earlierAttachments(body),
  };
  req.body.endpointOption = endpointOption;
  const signal = new AbortController().signal;
  const initialize = own('~/server/services/Endpoints/agents').initializeClient;
  const { client, userMCPAuthMap } = await initialize({ req, res, signal, endpointOption });
  let question;
  const reply = await client.sendMessage(text, {
    user,
    userMCPAuthMap,
    conversationId: conversation,
    parentMessageId,
    abortController: new AbortController(),
    getReqData: ({ userMessage }) => {
      question = userMessage ?? question;
    },
    onStart() {},
    progressOptions: { res },
  });
  await reply.databasePromise;
  await client.responsePromise;
  await keepAttached(req, client, question);
  heads.set(conversation, reply.messageId);
  return reply;
}

/** What the controller of older releases does after a message: it notes the files with the question. */
async function keepAttached(req, client, question) {
  const asked = modelOf('Message').documents.find((message) => message.messageId === question?.messageId);
  if (asked && !asked.files && req.body.files.length && Array.isArray(client.options.attachments)) {
    const ids = new Set(req.body.files.map((file) => file.file_id));
    asked.files = client.options.attachments.filter((file) => ids.has(file.file_id));
  }
}

const verbs = {
  /** A file that a user attaches, or (with `ofAgent`) one that belongs to the agent; gives its id and its name. */
  async upload({ user, name, base64, ofAgent = false }) {
    const id = randomUUID();
    const place = path.join(configuration.paths.temp, id);
    fs.writeFileSync(place, Buffer.from(base64, 'base64'));
    const mimetype = ofProject('mime').getType(name) ?? 'application/octet-stream';
    agent(agentOf(user));
    const owner = ofAgent ? { agent_id: agentOf(user) } : { message_file: true };
    const metadata = { file_id: id, temp_file_id: id, tool_resource: 'execute_code', endpoint: 'agents', ...owner };
    const req = request(user, { ...metadata, model: MODEL });
    req.file = { path: place, originalname: name, filename: id, mimetype, size: fs.statSync(place).size };
    req.file_id = id;
    await files().processAgentFileUpload({ req, res: response(), metadata });
    const { filename } = recordOf(id);
    return { id, filename };
  },

  /** A message of the user's, and the tool calls that the model makes of it, {steps: [[call]]}. */
  async turn({ steps, ...message }) {
    model.play(steps);
    sent.length = 0;
    const reply = await send(message);
    const attachments = (reply.attachments ?? []).filter(Boolean);
    return { tools: model.offered(), results: model.results(), images: model.images(), attachments, sent: [...sent] };
  },

  /** The bytes of an attachment, as a browser gets them by its address; `kept` when LibreChat has them itself. */
  async fetch({ user, attachment }) {
    const req = request(user, {});
    const [, sid, fid] = attachment.filepath.match(/\/api\/files\/code\/download\/([^/]+)\/([^/?]+)/) ?? [];
    if (attachment.filepath.startsWith('/images/')) {
      const place = path.join(configuration.paths.publicPath, attachment.filepath.split('?')[0]);
      return { kept: true, base64: fs.readFileSync(place).toString('base64'), headers: {} };
    }
    if (!sid) {
      const { getDownloadStream } = strategies().getStrategyFunctions(attachment.source);
      const place = attachment.filepath.split('?')[0];
      const stream = await (getDownloadStream.length > 1 ? getDownloadStream(req, place) : getDownloadStream(place));
      return { kept: true, base64: (await bytesOf(stream)).toString('base64'), headers: {} };
    }
    const { getDownloadStream } = strategies().getStrategyFunctions('execute_code');
    const isOld = Boolean(process.env.LIBRECHAT_CODE_API_KEY);
    const by = isOld ? [process.env.LIBRECHAT_CODE_API_KEY] : [{ kind: 'user', id: user }, req];
    const { data, headers } = await getDownloadStream(`${sid}/${fid}`, ...by);
    return { kept: false, base64: (await bytesOf(data)).toString('base64'), headers: { ...headers }, sid, fid };
  },

  /** A user deletes a file. */
  async delete({ user, id }) {
    const record = { ...recordOf(id) };
    const req = request(user, { files: [record] });
    await files().processDeleteRequest({ req, files: [record] });
    return null;
  },

  /** Where LibreChat has noted a file to be. */
  place: async ({ id }) => placeOf(recordOf(id)),

  /** The status of a request to the Code API for the object at a place. */
  async object({ user, method = 'get', place: { sid, fid, query } }) {
    const { status } = await ask(method, `/sessions/${sid}/objects/${fid}?${query}`, user);
    return status;
  },

  /** The status of a run that expects the Code API to have this profile. */
  async profile({ user, profile }) {
    const data = { lang: 'bash', code: 'true' };
    return (await ask('post', '/exec', user, { data, headers: { 'X-CodeAPI-Expected-Profile': profile } })).status;
  },

  /** What LibreChat's own liveness check says of a file, or nothing where a release keeps it to itself. */
  async lastModified({ user, id }) {
    const { getSessionInfo } = own('~/server/services/Files/Code/process');
    const { metadata } = recordOf(id);
    if (!getSessionInfo) {
      return null;
    }
    const by = metadata.codeEnvRef
      ? [metadata.codeEnvRef, request(user, {})]
      : [metadata.fileIdentifier, process.env.LIBRECHAT_CODE_API_KEY];
    return getSessionInfo(...by);
  },

  /** A skill of the user's with its files, {path: base64}. */
  async skill({ user, name, files: contents }) {
    const skill = await modelOf('Skill').create({
      name,
      body: `---\nname: ${name}\ndescription: A skill.\n---\nUse it.\n`,
      description: 'A skill.',
      version: 1,
      author: new ObjectId(user),
      fileCount: Object.keys(contents).length,
      userInvocable: true,
    });
    for (const [relativePath, base64] of Object.entries(contents)) {
      const fileName = `${randomUUID()}__${path.basename(relativePath)}`;
      const { saveBuffer } = strategies().getStrategyFunctions('local');
      const buffer = Buffer.from(base64, 'base64');
      const filepath = await saveBuffer({ userId: user, buffer, fileName, basePath: 'uploads' });
      await modelOf('SkillFile').create({
        skillId: skill._id,
        relativePath,
        filename: path.basename(relativePath),
        file_id: randomUUID(),
        filepath,
        source: 'local',
        mimeType: 'text/plain',
        bytes: buffer.length,
      });
    }
    return null;
  },

  /** Set LibreChat's clock ahead, or back with 0. */
  async clock({ hours }) {
    shift(hours);
    return null;
  },

  /** What of the server was replaced and has been used since. */
  replaced: async () => [...used],
};

async function answer(line) {
  const { verb, ...job } = JSON.parse(line);
  logged.length = 0;
  try {
    return { value: (await verbs[verb](job)) ?? null, logged };
  } catch (error) {
    return { error: String(error?.stack ?? error), logged };
  }
}

async function main() {
  prepare(await model.listen());
  for await (const line of readline.createInterface({ input: process.stdin })) {
    answers(`${JSON.stringify(await answer(line))}\n`);
  }
}

main().then(() => process.exit(0));
