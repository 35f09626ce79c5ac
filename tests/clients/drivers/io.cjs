'use strict';
// A job per line on stdin, a result per line on stdout, both JSON: the whole protocol between pytest and a driver.

const path = require('node:path');
const readline = require('node:readline');
const { createRequire } = require('node:module');

// The clients chat on console.debug, which is stdout; only the result may be there.
for (const level of ['log', 'debug', 'info', 'warn']) {
  console[level] = console.error;
}

/** `require` as a file inside the installed project would see it. */
const projectRequire = () => createRequire(path.join(process.env.CLIENT_DIR, 'package.json'));

const write = (result) => new Promise((resolve) => process.stdout.write(`${JSON.stringify(result)}\n`, resolve));

const failed = (error) => ({ failed: String(error?.stack ?? error) });

/** Run `main(job)` for each job, one after the other; write what it returns, or how it failed. Exit after the last. */
async function run(main) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await write(await Promise.resolve(JSON.parse(line)).then(main).catch(failed));
  }
  process.exit(0);
}

module.exports = { run, projectRequire };
