'use strict';
// A model with a script: it streams tool calls as a provider does, and records the messages that it receives.

const path = require('node:path');
const { projectRequire } = require('../../clients/drivers/io.cjs');

const agents = path.dirname(projectRequire().resolve('@librechat/agents'));
const { FakeChatModel } = require(path.join(agents, 'llm/fake.cjs'));

const CHUNKS = 3;

/** A call's arguments arrive in chunks; its id and name come with the first one only. */
function* chunksOf({ id, name, args }, index) {
  const text = JSON.stringify(args);
  const size = Math.ceil(text.length / CHUNKS);
  yield { index, id, name, args: '', type: 'tool_call_chunk' };
  for (let start = 0; start < text.length; start += size) {
    yield { index, args: text.slice(start, start + size), type: 'tool_call_chunk' };
  }
}

class ScriptedModel extends FakeChatModel {
  /** The messages of each request, in order. */
  received = [];
  #script;

  /** `script` is a list of tool calls {id, name, args} for each message; an empty list is a message of text. */
  constructor(script) {
    super({ responses: [''] });
    this.#script = [...script];
  }

  async *_streamResponseChunks(messages, _options, runManager) {
    this.received.push(messages);
    const calls = this.#script.shift() ?? [];
    yield this._createResponseChunk(calls.length > 0 ? 'I run this.' : 'Done.');
    await runManager?.handleLLMNewToken('');
    for (const [index, call] of calls.entries()) {
      for (const chunk of chunksOf(call, index)) {
        yield this._createResponseChunk('', [chunk]);
      }
    }
  }
}

module.exports = { ScriptedModel };
