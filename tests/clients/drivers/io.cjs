'use strict';
// One job in on stdin, one JSON result out on stdout: the whole protocol between pytest and a driver.

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

// The clients chat on console.debug, which is stdout; only the result may be there.
for (const level of ['log', 'debug', 'info', 'warn']) {
  console[level] = console.error;
}

const readJob = () => JSON.parse(fs.readFileSync(0, 'utf8'));

/** `require` as a file inside the installed project would see it. */
const projectRequire = () => createRequire(path.join(process.env.CLIENT_DIR, 'package.json'));

/** Run `main(job)`; print what it returns, or how it failed, and leave. */
function run(main) {
  Promise.resolve()
    .then(() => main(readJob()))
    .catch((error) => ({ failed: String(error?.stack ?? error) }))
    .then((result) => process.stdout.write(JSON.stringify(result), () => process.exit(0)));
}

module.exports = { run, projectRequire };
