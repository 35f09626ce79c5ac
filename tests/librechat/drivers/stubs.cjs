'use strict';
// A stand-in for whatever LibreChat's server requires and the scenarios have no use for: it can be called, constructed,
// extended and looked into, to any depth. What runs is noted, so that nothing is replaced unseen.

const used = new Set();

const empty = {
  then: undefined,
  toJSON: undefined,
  length: 0,
  size: 0,
  [Symbol.toPrimitive]: () => '',
  [Symbol.iterator]: function* iterator() {},
  [Symbol.asyncIterator]: undefined,
  [Symbol.toStringTag]: 'Stub',
};

/** Make the stand-in called `name`; `known` are the members that matter. */
function stub(name, known = {}) {
  const members = new Map(Object.entries(known));
  const target = function target() {};
  target.prototype = Object.create(null);
  const proxy = new Proxy(target, {
    get(_, key) {
      if (members.has(key)) {
        return members.get(key);
      }
      if (key === 'prototype') {
        return target.prototype;
      }
      if (key in empty) {
        return empty[key];
      }
      if (typeof key === 'symbol') {
        return undefined;
      }
      members.set(key, stub(`${name}.${key}`));
      return members.get(key);
    },
    set(_, key, value) {
      members.set(key, value);
      return true;
    },
    has: (_, key) => typeof key === 'string',
    apply() {
      used.add(name);
      return stub(`${name}()`);
    },
    construct() {
      used.add(`new ${name}`);
      return stub(`new ${name}`);
    },
    // Bundles copy named imports by walking the prototype.
    getPrototypeOf: () => proxy,
  });
  return proxy;
}

module.exports = { stub, used };
