'use strict';
// The model: an endpoint on loopback that speaks OpenAI's chat completions and says what a script tells it to.

const http = require('node:http');

/** Steps still to come, each a list of tool calls made at once; after the last one the model says that it is done. */
let script = [];
/** What the model got to see: for each request the tools offered, and the messages. */
let seen = [];
/** How many calls the model has made in all: ids are never used twice. */
let made = 0;

const textOf = (content) =>
  Array.isArray(content) ? content.map((part) => part.text ?? '').join('') : String(content ?? '');

/** The session id that the model read last, in this conversation. */
const lastSessionId = (messages) =>
  [...messages.map((message) => textOf(message.content)).join('\n').matchAll(/^session_id: (\S+)$/gm)].at(-1)?.[1];

/** Put a step into the words of the tools that this release offers. */
function toolCall({ tool, python, bash, ...args }, request) {
  const offered = (request.tools ?? []).map((one) => one.function?.name);
  if (tool) {
    return { name: tool, args };
  }
  if (offered.includes('execute_code')) {
    const { keepSession, ...rest } = args;
    const session = keepSession ? { session_id: lastSessionId(request.messages) } : {};
    return { name: 'execute_code', args: { lang: bash ? 'bash' : 'py', code: python ?? bash, ...session, ...rest } };
  }
  return { name: 'bash_tool', args: { command: bash ?? `python3 - <<'PY'\n${python}\nPY` } };
}

function answer(request) {
  seen.push({ tools: (request.tools ?? []).map((one) => one.function?.name), messages: request.messages });
  const step = request.tools?.length ? script.shift() : undefined;
  if (!step) {
    return { delta: { role: 'assistant', content: 'Done.' }, finish: 'stop' };
  }
  const calls = step.map((call, index) => {
    const { name, args } = toolCall(call, request);
    made += 1;
    const said = { name, arguments: JSON.stringify(args) };
    return { index, id: `call_${made}`, type: 'function', function: said };
  });
  return { delta: { role: 'assistant', content: '', tool_calls: calls }, finish: 'tool_calls' };
}

function respond(request, response) {
  const { delta, finish } = answer(request);
  const common = { id: `chatcmpl-${seen.length}`, created: Math.floor(Date.now() / 1000), model: request.model };
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  if (!request.stream) {
    const choices = [{ index: 0, message: delta, finish_reason: finish }];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...common, object: 'chat.completion', choices, usage }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (data) => response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  const chunk = (choice) => send({ ...common, object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }] });
  chunk({ delta, finish_reason: null });
  chunk({ delta: {}, finish_reason: finish });
  send({ ...common, object: 'chat.completion.chunk', choices: [], usage });
  send('[DONE]');
  response.end();
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => respond(JSON.parse(Buffer.concat(chunks).toString('utf8')), response));
});

/** Listen on loopback; resolves with the base URL. */
const listen = () =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}/v1`));
  });

/** Give the model its next turn. */
function play(steps) {
  script = [...steps];
  seen = [];
}

/** What each tool call of the turn returned to the model, in order. */
function results() {
  const last = seen.at(-1)?.messages ?? [];
  const start = last.map((message) => message.role).lastIndexOf('user');
  return last.slice(start + 1).filter((message) => message.role === 'tool').map((message) => textOf(message.content));
}

const offered = () => seen[0]?.tools ?? [];

/** How many pictures the model was shown in the turn. */
function images() {
  const parts = (seen.at(-1)?.messages ?? []).flatMap((message) => message.content);
  return parts.filter((part) => part?.type === 'image_url').length;
}

module.exports = { listen, play, results, offered, images };
