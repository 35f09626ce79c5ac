'use strict';
// Loads the code tools of one installed @librechat/agents, old or new, behind the same few names.

const fs = require('node:fs');
const path = require('node:path');
const { projectRequire } = require('./io.cjs');

const factories = {
  CodeExecutor: 'createCodeExecutionTool',
  BashExecutor: 'createBashExecutionTool',
  ProgrammaticToolCalling: 'createProgrammaticToolCallingTool',
  BashProgrammaticToolCalling: 'createBashProgrammaticToolCallingTool',
};

/**
 * The package's entry re-exports these files and loads every model provider besides, which takes seconds; and up to
 * 3.0 it keeps ToolNode to itself.
 */
const toolsDirectory = path.join(process.env.CLIENT_DIR, 'node_modules/@librechat/agents/dist/cjs/tools');
const toolFile = (name) => path.join(toolsDirectory, `${name}.cjs`);

/** Make the tools that this version offers, as LibreChat does: one factory call each, with the same parameters. */
function makeTools(params) {
  return Object.entries(factories)
    .filter(([name]) => fs.existsSync(toolFile(name)))
    .map(([name, factory]) => require(toolFile(name))[factory](params));
}

/** What a tool takes from the model. Its schema is zod's until 3.0, JSON Schema from 3.1 on. */
function describe({ schema }) {
  const parameters = schema.shape ?? schema.properties;
  const languages = parameters.lang?.options ?? parameters.lang?.enum ?? [];
  return { parameters: Object.keys(parameters), languages };
}

function loadToolNode() {
  return require(toolFile('ToolNode')).ToolNode;
}

/** The class of model messages that this client's ToolNode knows. */
function loadAIMessage() {
  return projectRequire()('@langchain/core/messages').AIMessage;
}

module.exports = { makeTools, describe, loadToolNode, loadAIMessage };
