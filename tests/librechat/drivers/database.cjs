'use strict';
// LibreChat's database, in memory: as much of mongoose as its own methods use.

const { randomBytes } = require('node:crypto');
const { stub } = require('./stubs.cjs');

class ObjectId {
  constructor(id) {
    this.id = String(id ?? randomBytes(12).toString('hex'));
  }
  toString() {
    return this.id;
  }
  toHexString() {
    return this.id;
  }
  toJSON() {
    return this.id;
  }
  equals(other) {
    return String(other) === this.id;
  }
  static isValid(id) {
    return /^[0-9a-f]{24}$/.test(String(id));
  }
}

const plain = (value) => (value instanceof ObjectId || value instanceof Date ? String(value) : value);
const copy = (value) => {
  if (Array.isArray(value)) {
    return value.map(copy);
  }
  if (value === null || typeof value !== 'object' || value instanceof ObjectId || value instanceof Date) {
    return value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copy(inner)]));
};

const at = (document, path) => path.split('.').reduce((value, key) => value?.[key], document);

function put(document, path, value) {
  const keys = path.split('.');
  const last = keys.pop();
  let place = document;
  for (const key of keys) {
    place[key] ??= {};
    place = place[key];
  }
  if (value === undefined) {
    delete place[last];
  } else {
    place[last] = copy(value);
  }
}

const same = (stored, wanted) =>
  (Array.isArray(stored) && !Array.isArray(wanted) ? stored : [stored]).some(
    (value) => plain(value ?? null) === plain(wanted ?? null),
  );

const operators = {
  $in: (value, wanted) => wanted.some((one) => same(value, one)),
  $nin: (value, wanted) => !wanted.some((one) => same(value, one)),
  $ne: (value, wanted) => !same(value, wanted),
  $eq: same,
  $exists: (value, wanted) => (value !== undefined) === Boolean(wanted),
  $lt: (value, wanted) => value != null && value < wanted,
  $lte: (value, wanted) => value != null && value <= wanted,
  $gt: (value, wanted) => value != null && value > wanted,
  $gte: (value, wanted) => value != null && value >= wanted,
  $not: (value, wanted) => !meets(value, wanted),
};

function meets(value, wanted) {
  const isPlain = wanted !== null && typeof wanted === 'object' && Object.getPrototypeOf(wanted) === Object.prototype;
  if (!isPlain || !Object.keys(wanted).some((key) => key.startsWith('$'))) {
    return wanted instanceof RegExp ? wanted.test(value) : same(value, wanted);
  }
  return Object.entries(wanted).every(([name, operand]) => {
    if (!operators[name]) {
      throw new Error(`the database in memory has no ${name}`);
    }
    return operators[name](value, operand);
  });
}

function matches(document, filter = {}) {
  return Object.entries(filter).every(([key, wanted]) => {
    if (key === '$or') {
      return wanted.some((one) => matches(document, one));
    }
    if (key === '$and') {
      return wanted.every((one) => matches(document, one));
    }
    return meets(at(document, key), wanted);
  });
}

const updates = {
  $set: (document, path, value) => put(document, path, value),
  $unset: (document, path) => put(document, path, undefined),
  $inc: (document, path, by) => put(document, path, (at(document, path) ?? 0) + by),
  $max: (document, path, value) => put(document, path, at(document, path) > value ? at(document, path) : value),
  $push: (document, path, value) => put(document, path, [...(at(document, path) ?? []), ...(value?.$each ?? [value])]),
  $addToSet(document, path, value) {
    const held = at(document, path) ?? [];
    const added = (value?.$each ?? [value]).filter((one) => !held.some((other) => same(other, one)));
    put(document, path, [...held, ...added]);
  },
};

function update(document, change, isNew) {
  for (const [key, value] of Object.entries(change)) {
    if (!key.startsWith('$')) {
      put(document, key, value);
    } else if (key === '$setOnInsert' && !isNew) {
      continue;
    } else {
      const apply = updates[key === '$setOnInsert' ? '$set' : key];
      if (!apply) {
        throw new Error(`the database in memory has no ${key}`);
      }
      Object.entries(value).forEach(([path, operand]) => apply(document, path, operand));
    }
  }
}

const compare = (left, right) => (plain(left) < plain(right) ? -1 : Number(plain(left) > plain(right)));

/** What `find` and its kind return: a promise with mongoose's refinements, most of which change nothing here. */
class Query {
  constructor(run, { isSingle = false } = {}) {
    this.run = run;
    this.isSingle = isSingle;
    this.order = {};
    this.most = Infinity;
  }
  sort(order) {
    this.order = order ?? {};
    return this;
  }
  limit(most) {
    this.most = most || Infinity;
    return this;
  }
  async exec() {
    const found = this.run();
    if (!Array.isArray(found)) {
      return found;
    }
    const keys = Object.entries(this.order);
    found.sort((a, b) => keys.reduce((sum, [key, way]) => sum || way * compare(at(a, key), at(b, key)), 0));
    return this.isSingle ? (found[0] ?? null) : found.slice(0, this.most);
  }
  then(...handlers) {
    return this.exec().then(...handlers);
  }
  catch(handler) {
    return this.exec().catch(handler);
  }
}
for (const name of ['select', 'lean', 'populate', 'session', 'skip', 'setOptions', 'collation', 'hint']) {
  Query.prototype[name] = function refine() {
    return this;
  };
}

/** A document as a caller gets it: a copy, with the methods of mongoose's documents that LibreChat calls. */
function copyOf(document) {
  if (!document) {
    return null;
  }
  const out = copy(document);
  Object.defineProperty(out, 'toObject', { value: () => copy(document) });
  return out;
}

function model(name) {
  const documents = [];
  const now = () => new Date();
  const insert = (fields) => {
    const document = { _id: new ObjectId(), createdAt: now(), updatedAt: now(), ...copy(fields) };
    documents.push(document);
    return document;
  };
  const isValue = (value) => value === null || typeof value !== 'object' || value instanceof ObjectId;
  const fromFilter = (filter) =>
    Object.fromEntries(Object.entries(filter).filter(([key, value]) => !key.startsWith('$') && isValue(value)));
  const first = (filter) => documents.find((document) => matches(document, filter));
  const change = (document, changes, options, isNew) => {
    update(document, changes, isNew);
    if (options?.timestamps !== false && !changes.$set?.updatedAt && !changes.updatedAt) {
      document.updatedAt = now();
    }
  };
  const updateOne = (filter, changes, options = {}) => {
    const found = first(filter);
    if (!found && !options.upsert) {
      return { before: null, after: null };
    }
    const before = found ? copy(found) : null;
    const document = found ?? insert(fromFilter(filter));
    change(document, changes, options, !found);
    return { before, after: document };
  };
  const remove = (filter, most = Infinity) => {
    let deletedCount = 0;
    for (let i = documents.length - 1; i >= 0 && deletedCount < most; i -= 1) {
      if (matches(documents[i], filter)) {
        documents.splice(i, 1);
        deletedCount += 1;
      }
    }
    return { deletedCount };
  };
  const found = (filter) => documents.filter((document) => matches(document, filter)).map(copyOf);
  return stub(`model ${name}`, {
    modelName: name,
    documents,
    find: (filter) => new Query(() => found(filter)),
    findOne: (filter) => new Query(() => found(filter), { isSingle: true }),
    findById: (id) => new Query(() => copyOf(first({ _id: id }))),
    exists: (filter) => new Query(() => copyOf(first(filter))),
    countDocuments: (filter) => new Query(() => found(filter).length),
    distinct: (key, filter) => new Query(() => [...new Set(found(filter).map((document) => at(document, key)))]),
    create: async (fields) => (Array.isArray(fields) ? fields.map((one) => copyOf(insert(one))) : copyOf(insert(fields))),
    insertMany: async (list) => list.map((fields) => copyOf(insert(fields))),
    findOneAndUpdate: (filter, changes, options = {}) =>
      new Query(() => {
        const { before, after } = updateOne(filter, changes, options);
        return copyOf(options.new || options.returnDocument === 'after' ? after : before);
      }),
    updateOne: async (filter, changes, options) => {
      const { before, after } = updateOne(filter, changes, options);
      return { matchedCount: Number(before !== null), modifiedCount: Number(after !== null), acknowledged: true };
    },
    updateMany: async (filter, changes, options) => {
      const found = documents.filter((document) => matches(document, filter));
      found.forEach((document) => change(document, changes, options, false));
      return { matchedCount: found.length, modifiedCount: found.length };
    },
    bulkWrite: async (writes) => {
      writes.forEach(({ updateOne: one }) => one && updateOne(one.filter, one.update, one));
      return { modifiedCount: writes.length };
    },
    findOneAndDelete: (filter) =>
      new Query(() => {
        const found = copyOf(first(filter));
        remove(filter, 1);
        return found;
      }),
    deleteOne: async (filter) => remove(filter, 1),
    deleteMany: async (filter) => remove(filter),
    aggregate: async () => [],
  });
}

const models = {};
const modelOf = (name) => (models[name] ??= model(name));

/** The module `mongoose`: every model is a list in memory. */
const mongoose = stub('mongoose', {
  Types: { ObjectId },
  models: new Proxy(models, { get: (_, name) => (typeof name === 'string' ? modelOf(name) : undefined) }),
  model: modelOf,
  isValidObjectId: ObjectId.isValid,
});

module.exports = { mongoose, modelOf, ObjectId };
