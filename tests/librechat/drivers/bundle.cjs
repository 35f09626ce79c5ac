'use strict';
// Bundles packages that LibreChat builds from its own tree: `bundle.cjs <npm project> <packages> <out> <name>…`.
// Each becomes one file, with its npm packages outside.

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const [project, packages, out, ...names] = process.argv.slice(2);
const esbuild = createRequire(path.join(project, 'package.json'))('esbuild');

/** `~/` is the package's own sources; any other bare name stays a `require`. */
const paths = (sources) => ({
  name: 'paths',
  setup(build) {
    build.onResolve({ filter: /^~\// }, ({ path: name, kind }) =>
      build.resolve(`./${name.slice(2)}`, { resolveDir: sources, kind }),
    );
    build.onResolve({ filter: /^[^.~/]/ }, ({ path: name, kind }) =>
      kind === 'entry-point' ? undefined : { path: name, external: true },
    );
  },
});

async function bundle(name) {
  const sources = path.join(packages, name, 'src');
  if (!fs.existsSync(sources)) {
    return; // not yet a package of its own in this release
  }
  await esbuild.build({
    entryPoints: [path.join(sources, 'index.ts')],
    outfile: path.join(out, `${name}.cjs`),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'error',
    tsconfigRaw: {},
    supported: { 'dynamic-import': false }, // become `require`, which the loader sees
    plugins: [paths(sources)],
  });
}

fs.mkdirSync(out, { recursive: true });
Promise.all(names.map(bundle)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
