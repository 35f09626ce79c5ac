'use strict';
// LibreChat's server for one release, with many conversations: the client's real graph with a scripted model, and what
// the server does before and after a run. It behaves as v0.8.3 to v0.8.5 ("old") or as v0.8.6 and later ("new").
//
// One JSON object per line: {id, op, ...} on stdin, {id, value | failed, sent} on stdout. `sent` lists the requests to
// the Code API that the operation made: {method, path, json}. Operations may overlap.
//
// op: "attach" {conversation, path, filename}, "play_turn" {conversation, ...; see chat.cjs}, "advance_clock" {seconds}

const http = require('node:http');
const readline = require('node:readline');
const { AsyncLocalStorage } = require('node:async_hooks');
require('../../clients/drivers/io.cjs'); // keeps stdout for the replies
const { sent } = require('../../clients/drivers/wire.cjs');
const { Chat } = require('./chat.cjs');
const { advance } = require('./clock.cjs');

const generation = process.env.LIBRECHAT_GENERATION;
const directory = process.env.LIBRECHAT_FILES;

/** The requests of the operation in progress. */
const requests = new AsyncLocalStorage();
const sendRequest = http.request;
http.request = function (...args) {
  const outgoing = sendRequest.apply(this, args);
  requests.getStore()?.push(sent.at(-1));
  return outgoing;
};

const chats = new Map();

function chatOf(conversation) {
  if (!chats.has(conversation)) {
    const user = { generation, userId: `user-${conversation}`, conversationId: conversation };
    chats.set(conversation, new Chat(user, directory));
  }
  return chats.get(conversation);
}

const operations = {
  attach: ({ conversation, ...file }) => chatOf(conversation).attach(file),
  play_turn: ({ conversation, ...turn }) => chatOf(conversation).playTurn(turn),
  advance_clock: ({ seconds }) => advance(seconds),
};

async function perform({ id, op, ...options }) {
  const notes = [];
  const outcome = await requests
    .run(notes, async () => operations[op](options))
    .then((value) => ({ value: value ?? null }))
    .catch((error) => ({ failed: String(error?.stack ?? error) }));
  const summary = notes.map(({ method, path, json }) => ({ method, path, json }));
  process.stdout.write(`${JSON.stringify({ id, ...outcome, sent: summary })}\n`);
}

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => perform(JSON.parse(line)));
lines.on('close', () => process.exit(0));
