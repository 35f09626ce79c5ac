'use strict';
// What surrounds LibreChat's server: its configuration, its users, its log, Express's request and response.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { give, ofProject } = require('./modules.cjs');
const { stub } = require('./stubs.cjs');
const { mongoose, modelOf, ObjectId } = require('./database.cjs');

const WORK = fs.mkdtempSync(path.join(os.tmpdir(), 'librechat-'));
const directory = (name) => {
  const made = path.join(WORK, name);
  fs.mkdirSync(made, { recursive: true });
  return made;
};
process.on('exit', () => fs.rmSync(WORK, { recursive: true, force: true }));

const MODEL = 'gpt-4o';
const CAPABILITIES = ['execute_code', 'tools', 'skills', 'actions', 'context', 'stateful_code_sessions'];
const paths = {
  root: WORK,
  temp: directory('temp'),
  uploads: directory('uploads'),
  clientPath: directory('client'),
  dist: directory('client/dist'),
  publicPath: directory('client/public'),
  fonts: directory('client/public/fonts'),
  assets: directory('client/public/assets'),
  imageOutput: directory('client/public/images'),
  structuredTools: directory('structured'),
  pluginManifest: path.join(WORK, 'manifest.json'),
};
const configuration = {
  paths,
  fileStrategy: 'local',
  imageOutputType: 'png',
  endpoints: { agents: { capabilities: CAPABILITIES, allowedProviders: [] } },
  balance: { enabled: false },
  transactions: { enabled: false },
  config: {},
  fileConfig: {},
  interfaceConfig: {},
};

/** The id of a user's agent: each has one, with the code tools and all skills. */
const agentOf = (user) => `agent_${user}`;

/** The agent as the database has it now, in a copy, since older releases change what they are given. */
function agent(id, more = {}) {
  const { documents } = modelOf('Agent');
  if (!documents.some((one) => one.id === id)) {
    documents.push({
      _id: new ObjectId(),
      id,
      name: 'Coder',
      provider: 'openAI',
      model: MODEL,
      tools: ['execute_code'],
      tool_resources: {},
      model_parameters: {},
      skills_enabled: true,
      author: id.replace('agent_', ''),
    });
  }
  return structuredClone({ ...documents.find((one) => one.id === id), _id: undefined, ...more });
}

const MAX_LOGGED_CHARS = 2_000;
/** The errors and warnings that LibreChat has logged. */
const logged = [];

function inWords(part) {
  if (part instanceof Error) {
    return part.stack;
  }
  return typeof part === 'object' ? JSON.stringify(part) : String(part);
}

const keep = (level) => (...parts) => {
  logged.push(`${level}: ${parts.map(inWords).join(' ')}`.slice(0, MAX_LOGGED_CHARS));
};
const quiet = Object.fromEntries(['info', 'debug', 'silly', 'verbose'].map((level) => [level, () => {}]));
const logger = { ...quiet, error: keep('error'), warn: keep('warn') };

give('mongoose', mongoose);
give('winston', stub('winston', { createLogger: () => logger, format: stub('winston.format'), addColors() {} }));
give('~/config', stub('~/config', { logger, createAxiosInstance: () => ofProject('axios').create() }));
give('~/config/winston', logger);
give('~/config/paths', paths);
give('~/cache', stub('~/cache', { logViolation: async () => {} }));
give('~/server/services/Tokenizer', {
  getTokenCount: (text) => Math.ceil(text.length / 4),
  freeAndResetAllEncoders() {},
});
const modelOptions = async () => ({
  llmConfig: { model: MODEL, apiKey: 'none', streaming: true },
  configOptions: { baseURL: process.env.OPENAI_REVERSE_PROXY },
});
give('~/server/services/Endpoints/openAI/initialize', modelOptions);
give('~/server/services/Endpoints', {
  getProviderConfig: () => ({ getOptions: modelOptions, overrideProvider: 'openAI' }),
});
give('~/server/controllers/ModelController', { getModelsConfig: async () => ({ openAI: [MODEL] }) });
give('~/server/services/Config', stub('~/server/services/Config', {
  getEndpointsConfig: async () => ({ agents: { capabilities: CAPABILITIES } }),
  checkCapability: async (_, capability) => CAPABILITIES.includes(capability),
  getAppConfig: async () => configuration,
  getCustomEndpointConfig: async () => undefined,
  getCachedTools: async () => ({}),
  getMCPServerTools: async () => ({}),
  getCustomConfig: async () => ({}),
}));
give('~/server/services/PermissionService', stub('~/server/services/PermissionService', {
  checkPermission: async () => true,
  findAccessibleResources: async () => modelOf('Skill').documents.map((skill) => skill._id),
}));

give('~/models/Agent', stub('~/models/Agent', {
  getAgent: async ({ id }) => agent(id),
  loadAgent: async ({ agent_id: id }) => agent(id),
  async addAgentResourceFile({ agent_id: id, tool_resource, file_id }) {
    const { tool_resources } = modelOf('Agent').documents.find((one) => one.id === id);
    tool_resources[tool_resource] ??= {};
    tool_resources[tool_resource].file_ids = [...(tool_resources[tool_resource].file_ids ?? []), file_id];
    return agent(id);
  },
}));

/** What Express gives a handler for a request of `user` with this body. */
const request = (user, body) => ({
  user: { id: user, _id: user, role: 'USER', email: `${user}@example.org`, name: user },
  body,
  query: {},
  params: {},
  headers: {},
  config: configuration,
  app: { locals: { ...configuration, agents: configuration.endpoints.agents, availableTools: {} } },
  on() {},
  get() {},
});

/** A response under way, that nobody reads. */
const response = () => ({
  headersSent: true,
  status() {
    return this;
  },
  json() {
    return this;
  },
  write: () => true,
  end() {},
  on() {},
  once() {},
  removeListener() {},
  setHeader() {},
  flushHeaders() {},
});

/** Point LibreChat at its model. */
function prepare(modelURL) {
  process.env.OPENAI_API_KEY = 'none';
  process.env.OPENAI_REVERSE_PROXY = modelURL;
}

module.exports = { MODEL, configuration, request, response, logged, agent, agentOf, prepare };
