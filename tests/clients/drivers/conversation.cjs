'use strict';
// Plays a conversation: each turn is a model message with tool calls, run by the client's own ToolNode, which
// keeps the session between turns. Only the model is faked.
//
// Job: {params?, authHeaders?, sessions?, threadId?, abortAfterMs?, agentTools?, turns: [[{name, args}]]}
// Result: {turns: [[{status, text, artifact}]], sessions, sent, called, offered: {tool: {parameters, languages}}}

const { run } = require('./io.cjs');
const wire = require('./wire.cjs');
const { makeTools, describe, loadToolNode, loadAIMessage } = require('./client.cjs');
const { makeAgentTool, definitionOf, calls, resetCalls } = require('./tools.cjs');

/** A model up to 3.0 copies the session id out of the text it was shown. */
function lastSessionId(turns) {
  const text = turns.flat().map((outcome) => outcome.text).join('\n');
  return [...text.matchAll(/^session_id: (\S+)$/gm)].at(-1)?.[1] ?? '';
}

function toolCalls(turn, turnIndex, past) {
  return turn.map(({ name, args }, i) => ({
    id: `call_${turnIndex}_${i}`,
    name,
    type: 'tool_call',
    args: args.session_id === '$shown' ? { ...args, session_id: lastSessionId(past) } : args,
  }));
}

const outcomeOf = (message) => ({
  status: message.status ?? 'success',
  text: message.content,
  artifact: message.artifact ?? null,
});

/** The thread that a run belongs to, and the signal that aborts it when the user presses stop. */
const runConfig = (job) => ({
  configurable: { thread_id: job.threadId ?? 't1' },
  ...(job.abortAfterMs ? { signal: AbortSignal.timeout(job.abortAfterMs) } : {}),
});

run(async (job) => {
  wire.reset();
  resetCalls();
  const AIMessage = loadAIMessage();
  const ToolNode = loadToolNode();
  const params = { ...job.params, ...(job.authHeaders ? { authHeaders: async () => job.authHeaders } : {}) };
  const agentTools = job.agentTools ?? [];
  const codeTools = makeTools(params);
  const tools = [...codeTools, ...agentTools.map(makeAgentTool)];
  const sessions = new Map(Object.entries(job.sessions ?? {}));
  const definitions = [...codeTools.map(({ name }) => ({ name })), ...agentTools.map(definitionOf)];
  const toolRegistry = new Map(definitions.map((definition) => [definition.name, definition]));
  const node = new ToolNode({ tools, sessions, toolRegistry });

  const turns = [];
  for (const [index, turn] of job.turns.entries()) {
    const message = new AIMessage({ content: '', tool_calls: toolCalls(turn, index, turns) });
    const answer = await node.invoke({ messages: [message] }, runConfig(job));
    turns.push(answer.messages.map(outcomeOf));
  }
  const offered = Object.fromEntries(codeTools.map((tool) => [tool.name, describe(tool)]));
  return { turns, sessions: Object.fromEntries(sessions), sent: wire.sent, called: calls, offered };
});
