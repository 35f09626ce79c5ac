'use strict';
// The code tools of LibreChat's releases: their definitions for the model, and how the server runs a call.

const { projectRequire } = require('../../clients/drivers/io.cjs');
const { send } = require('../../clients/drivers/codeapi.cjs');

const agents = projectRequire()('@librechat/agents');

const HELPER_TIMEOUT_MS = 15_000;

const definitionOf = ({ name, description, schema, parameters }) => ({
  name,
  description,
  parameters: parameters ?? schema,
});

/** read_file is a `cat` at the Code API, with the session and the files of the run. */
const createReadFileTool = (user) => ({
  name: 'read_file',
  async invoke({ file_path: file }, { toolCall }) {
    const code = `cat '${file.replaceAll("'", "'\\''")}'`;
    const body = { lang: 'bash', code, session_id: toolCall.session_id, files: toolCall._injected_files };
    const json = { headers: { 'Content-Type': 'application/json' }, data: body, timeout: HELPER_TIMEOUT_MS };
    const { data } = await send(user, { method: 'post', route: '/exec', ...json });
    if (data.stdout === '' && data.stderr !== '') {
      throw new Error(data.stderr.trim());
    }
    return { content: data.stdout };
  },
});

const releases = {
  /** Up to v0.8.5 the model has execute_code, whose parameters hold the key and the primed files. */
  old: {
    definitions: () => [agents.CodeExecutionToolDefinition],
    load: (user, { files, limits }) => [
      agents.createCodeExecutionTool({
        user_id: user.userId,
        files: files.map(({ fid, sid, name }) => ({ id: fid, session_id: sid, name })),
        [agents.EnvVar.CODE_API_KEY]: process.env.LIBRECHAT_CODE_API_KEY,
        ...limits,
      }),
    ],
  },
  /** From v0.8.6 on it has bash_tool and read_file; the parameters hold the context of the code environment. */
  new: {
    definitions: () => [agents.BashExecutionToolDefinition, agents.ReadFileToolDefinition],
    load: (user, { limits }) => [
      agents.createBashExecutionTool({
        authHeaders: async () => ({}),
        baseUrl: process.env.LIBRECHAT_CODE_BASEURL,
        codeSessionKey: agents.Constants.EXECUTE_CODE,
        executionProfile: 'default',
        statefulSessions: false,
        ...limits,
      }),
      createReadFileTool(user),
    ],
  },
};

/** From v0.8.6 on a run starts with a session that holds the primed files. */
function initialSessions({ generation, userId }, files) {
  if (generation === 'old' || files.length === 0) {
    return undefined;
  }
  const refs = files.map(({ fid, sid, name }) => ({
    id: fid,
    resource_id: userId,
    storage_session_id: sid,
    name,
    kind: 'user',
  }));
  const session = { session_id: refs[0].storage_session_id, files: refs, lastUpdated: Date.now() };
  return new Map([[agents.Constants.EXECUTE_CODE, session]]);
}

/** What the graph's session adds to a call: its id, and its files if it has any. */
function sessionOf({ codeSessionContext: context }) {
  const files = context?.files?.length > 0 ? { _injected_files: context.files } : {};
  return context ? { session_id: context.session_id, ...files } : {};
}

async function runCall(call, tools, { configurable, metadata }, storeArtifact) {
  const toolCall = { id: call.id, stepId: call.stepId, turn: call.turn, ...sessionOf(call) };
  try {
    const tool = tools.find(({ name }) => name === call.name);
    const { content, artifact } = await tool.invoke(call.args, { toolCall, configurable, metadata });
    storeArtifact(artifact);
    return { toolCallId: call.id, content, artifact, status: 'success' };
  } catch (error) {
    return { toolCallId: call.id, content: '', status: 'error', errorMessage: error.message };
  }
}

/** The handler of the graph's requests to run tools: `load` returns the tools, `storeArtifact` takes their files. */
const toolExecutor = (load, storeArtifact) => ({
  async handle(_event, batch) {
    try {
      const tools = await load();
      batch.resolve(await Promise.all(batch.toolCalls.map((call) => runCall(call, tools, batch, storeArtifact))));
    } catch (error) {
      batch.reject(error);
    }
  },
});

const definitions = (generation) => releases[generation].definitions().map(definitionOf);
const loadTools = (user, options) => releases[user.generation].load(user, options);

module.exports = { definitions, loadTools, initialSessions, toolExecutor };
