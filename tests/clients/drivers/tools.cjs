'use strict';
// The tools of an agent, for programs to call: made anew from a description, so that a job can carry them.
//
// Description: {name, does, description?, schema?, ms?, mcp?, viaLangChain?}. `does` is one of the deeds below.

const { projectRequire } = require('./io.cjs');

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const deeds = {
  echo: (input) => input,
  text: (input) => `got ${Object.values(input ?? {}).join(',')}`,
  fail: () => {
    throw new Error('no such city');
  },
  megabyte: () => 'x'.repeat(1_000_000),
  nested: () => ({ rows: [{ id: 1, tags: ['a', null], of: { deep: { er: true } } }], total: 1.5 }),
  blocks: () => [[{ type: 'text', text: '{"from": "mcp"}' }, { type: 'text', text: ' ' }], { artifact: true }],
};

/** How often each tool was called, and with what: side effects that a test can count. */
const calls = [];

function makeAgentTool({ name, does, description, schema, ms, mcp, viaLangChain }) {
  const invoke = async (input) => {
    calls.push({ name, input });
    if (ms) {
      await sleep(ms);
    }
    return deeds[does](input);
  };
  if (!viaLangChain) {
    return { name, mcp, schema, invoke };
  }
  const { tool } = projectRequire()('@langchain/core/tools');
  return tool(invoke, { name, description: description ?? name, schema });
}

/** What the registry says of a tool: programs may call it, and the model itself may not. */
const definitionOf = ({ name, description, schema }) => ({
  name,
  ...(description ? { description } : {}),
  ...(schema ? { parameters: schema } : {}),
  allowed_callers: ['code_execution'],
});

const resetCalls = () => {
  calls.length = 0;
};

module.exports = { makeAgentTool, definitionOf, calls, resetCalls };
