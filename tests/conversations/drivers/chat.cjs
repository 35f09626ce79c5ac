'use strict';
// One conversation of one user: prime the files, run the client's graph with a scripted model, store the outputs.

const crypto = require('node:crypto');
const { projectRequire } = require('../../clients/drivers/io.cjs');
const { FileRecords } = require('./file_records.cjs');
const { ScriptedModel } = require('./model.cjs');
const { definitions, loadTools, initialSessions, toolExecutor } = require('./tools.cjs');

const { Run, GraphEvents, Providers, createContentAggregator, formatAgentMessages } =
  projectRequire()('@librechat/agents');

const AGENTS = ['analyst', 'writer'];

/** The events of which LibreChat assembles the message that its user sees. */
const CONTENT_EVENTS = [
  GraphEvents.ON_RUN_STEP,
  GraphEvents.ON_RUN_STEP_DELTA,
  GraphEvents.ON_RUN_STEP_COMPLETED,
  GraphEvents.ON_MESSAGE_DELTA,
];

const textOf = (content) =>
  typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('');

class Chat {
  #user;
  #records;
  #history = [];
  #turns = 0;

  constructor(user, directory) {
    this.#user = user;
    this.#records = new FileRecords(user, directory);
  }

  attach(file) {
    return this.#records.attach(file);
  }

  /**
   * Play a turn: {script, agents?, limits?, reversed?}. `script`: a list of calls {name, args} for each message of the
   * model; `agents`: how many agents the graph has, one after the other; `limits`: further parameters of the code
   * tools; `reversed`: the order of the files. Returns {results, outputs, primed}.
   */
  async playTurn({ script, agents = 1, limits = {}, reversed = false }) {
    this.#turns += 1;
    const files = this.#records.filesOfMessage({ reversed });
    const primed = await this.#records.prime(files);
    const outputs = [];
    const load = async () => loadTools(this.#user, { files: await this.#filesOfCall(primed, files), limits });
    const executor = toolExecutor(load, (artifact) => outputs.push(...this.#storeOutputs(artifact)));
    const calls = script.map((message, m) => message.map((call, c) => ({ id: this.#callId(m, c), ...call })));
    const model = new ScriptedModel(calls);
    const parts = await this.#run(model, { agents, primed, executor });
    return { results: this.#results(calls.flat(), model, parts), outputs: await Promise.all(outputs), primed };
  }

  #callId(message, call) {
    return `call_${this.#turns}_${message}_${call}`;
  }

  /** Up to v0.8.5 the files are primed anew for each batch of calls. */
  async #filesOfCall(primed, files) {
    if (this.#user.generation === 'new') {
      return primed.files;
    }
    const again = await this.#records.prime(files);
    primed.failed.push(...again.failed);
    return again.files;
  }

  /** Up to v0.8.5 outputs are found by the run's session; later by the file's own, and inherited files are skipped. */
  #storeOutputs(artifact) {
    const isOld = this.#user.generation === 'old';
    return (artifact?.files ?? [])
      .filter((file) => isOld || !file.inherited)
      .map(({ name, id, storage_session_id: storage }) => {
        const sid = isOld ? artifact.session_id : storage ?? artifact.session_id;
        const stored = this.#records.storeOutput(name, { sid, fid: id });
        stored.catch(() => {}); // reported when the turn awaits it
        return stored;
      });
  }

  /** Run the graph on the history and one more message of the user. Returns the parts of the message that answers. */
  async #run(model, { agents, primed, executor }) {
    const { contentParts, aggregateContent } = createContentAggregator();
    const aggregator = { handle: (event, data) => aggregateContent({ event, data }) };
    const run = await Run.create({
      runId: crypto.randomUUID(),
      graphConfig: this.#graphConfig(AGENTS.slice(0, agents)),
      customHandlers: {
        ...Object.fromEntries(CONTENT_EVENTS.map((event) => [event, aggregator])),
        [GraphEvents.ON_TOOL_EXECUTE]: executor,
      },
      initialSessions: initialSessions(this.#user, primed.files),
      returnContent: true,
    });
    run.Graph.overrideModel = model;
    this.#history.push({ role: 'user', content: 'Please go on.' });
    await run.processStream({ messages: this.#messages() }, this.#streamConfig());
    const parts = contentParts.filter(Boolean);
    this.#history.push({ role: 'assistant', content: parts });
    return parts;
  }

  #graphConfig(agentIds) {
    const toolDefinitions = definitions(this.#user.generation);
    const agents = agentIds.map((agentId) => ({
      agentId,
      provider: Providers.OPENAI,
      clientOptions: { model: 'scripted' },
      instructions: 'Run what you are asked to run.',
      tools: [],
      toolDefinitions,
      toolRegistry: new Map(toolDefinitions.map((definition) => [definition.name, definition])),
    }));
    const edges = agentIds.slice(1).map((to, i) => ({ from: agentIds[i], to, edgeType: 'direct' }));
    return { type: edges.length > 0 ? 'multi-agent' : 'standard', agents, edges };
  }

  #messages() {
    const tools = new Set(definitions(this.#user.generation).map(({ name }) => name));
    return formatAgentMessages(this.#history, undefined, tools).messages;
  }

  #streamConfig() {
    const { conversationId, userId } = this.#user;
    const configurable = { thread_id: conversationId, user_id: userId };
    return { runName: 'AgentRun', configurable, recursionLimit: 50, streamMode: 'values', version: 'v2' };
  }

  /** The result of each call, as the model receives it and as the user sees it. */
  #results(calls, model, parts) {
    const messages = new Map(model.received.flat().map((message) => [message.tool_call_id, message]));
    const outputs = new Map(parts.map((part) => [part.tool_call?.id, part.tool_call?.output]));
    return calls.map(({ id }) => {
      const message = messages.get(id);
      const status = message.status ?? 'success';
      return { status, text: textOf(message.content), user_text: outputs.get(id) ?? null };
    });
  }
}

module.exports = { Chat };
