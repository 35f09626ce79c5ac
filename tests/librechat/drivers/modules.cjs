'use strict';
// What `require` gives inside LibreChat's server: its own modules where REAL names them, the bundles of its
// packages, npm packages of the installed project, and a stand-in for everything else.

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { stub } = require('./stubs.cjs');

const RELEASE = fs.realpathSync(process.env.RELEASE_DIR); // as Node names the modules in it
const TREE = path.join(RELEASE, 'api');
const BUNDLES = path.join(RELEASE, 'bundles');
const ofProject = Module.createRequire(path.join(process.env.PROJECT_DIR, 'package.json'));

/** The server's modules that run as they are, by their path in `api/`. */
const REAL = [
  /^app\/clients\/(BaseClient|TextStream)$/,
  /^app\/clients\/(prompts|output_parsers)(\/|$)/,
  /^app\/clients\/tools\/util(\/handleTools)?$/,
  /^config\/parsers$/,
  /^models(\/(File|Conversation|Message|convoStructure))?$/,
  /^models\/schema\//,
  /^db\/models$/,
  /^server\/controllers\/agents\/(callbacks|client|run)$/,
  /^server\/services\/Endpoints\/agents(\/(initialize|agent|skillDeps))?$/,
  /^server\/services\/Files\/(process|strategies|permissions|retention)$/,
  /^server\/services\/Files\/(Code|Local|images)(\/|$)/,
  /^server\/services\/ToolService$/,
  /^server\/services\/Tools\/credentials$/,
  /^server\/utils(\/(files|handleText|getFileStrategy|emails|countTokens|import|queue))?$/,
  /^utils(\/|$)/,
];
/** Bundles of the packages that LibreChat builds from its own tree. */
const PACKAGES = {
  'librechat-data-provider': 'data-provider.cjs',
  '@librechat/data-schemas': 'data-schemas.cjs',
  '@librechat/api': 'api.cjs',
};

/** Packages of model providers that nobody here talks to: npm leaves out what only their peers want. */
const PROVIDERS = /^@(smithy|aws-sdk|aws-crypto|google-cloud)\//;

const stubs = new Map();
const given = new Map();

/** Let `require(name)` give `value`; modules of the server go by `~/` and their path in `api/`. */
const give = (name, value) => given.set(name, value);

function standIn(name) {
  if (!stubs.has(name)) {
    stubs.set(name, stub(name));
  }
  return stubs.get(name);
}

function fileOf(base) {
  const isFile = (name) => fs.existsSync(name) && fs.statSync(name).isFile();
  return [base, `${base}.js`, `${base}.json`, path.join(base, 'index.js')].find(isFile);
}

const load = Module._load;

function loadOwn(target, parent) {
  const file = fileOf(target);
  const name = path.relative(TREE, file ?? target).replace(/(\/index)?\.js$/, '');
  const known = given.get(`~/${name}`);
  if (known) {
    return known;
  }
  if (!file || !(REAL.some((pattern) => pattern.test(name)) || file.endsWith('.json'))) {
    return standIn(`~/${name}`);
  }
  return load.call(Module, file, parent, false);
}

function loadPackage(name, parent) {
  const bundle = PACKAGES[name] && path.join(BUNDLES, PACKAGES[name]);
  if (bundle && fs.existsSync(bundle)) {
    return load.call(Module, bundle, parent, false);
  }
  let file;
  try {
    file = ofProject.resolve(name);
  } catch {
    return standIn(name);
  }
  return load.call(Module, file, parent, false);
}

function loadOptional(name, parent) {
  try {
    return load.call(Module, name, parent, false);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') {
      throw error;
    }
    return standIn(name);
  }
}

Module._load = function loadForLibreChat(name, parent, isMain) {
  if (given.has(name)) {
    return given.get(name);
  }
  const from = parent?.filename ?? '';
  const isServer = from.startsWith(`${TREE}${path.sep}`) && !from.includes('node_modules');
  const isBundle = from.startsWith(BUNDLES);
  if (!(isServer || isBundle) || Module.isBuiltin(name)) {
    return PROVIDERS.test(name) ? loadOptional(name, parent) : load.apply(Module, [name, parent, isMain]);
  }
  if (name.startsWith('~/')) {
    return loadOwn(path.join(TREE, name.slice(2)), parent);
  }
  if (name.startsWith('.')) {
    return loadOwn(path.resolve(path.dirname(from), name), parent);
  }
  return loadPackage(name, parent);
};

/** Load a module as the server's own do: `~/server/…` or a package. */
const own = (name) =>
  name.startsWith('~/') ? loadOwn(path.join(TREE, name.slice(2)), module) : loadPackage(name, module);

/** The source of a module of the server, or nothing. */
const textOf = (name) => {
  const file = fileOf(path.join(TREE, name.slice(2)));
  return file ? fs.readFileSync(file, 'utf8') : '';
};

module.exports = { give, own, textOf, ofProject };
