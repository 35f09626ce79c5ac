'use strict';
// The names under which LibreChat records files, and so under which programs find them in later turns.

const crypto = require('node:crypto');
const path = require('node:path');

const notHidden = (name) => (name === '' || name.startsWith('.') ? `_${name}` : name);

/** Up to v0.8.5 everything but ASCII letters, digits, dots and hyphens becomes an underscore. */
const oldLeaf = (name) => notHidden(path.basename(name).replace(/[^a-zA-Z0-9.-]/g, '_'));

/** From v0.8.6 on letters of all scripts stay; ASCII blanks, brackets and the like become underscores. */
const newSegment = (segment) => segment.normalize('NFC').replace(/[^a-zA-Z0-9._\-\u0080-\u{10ffff}]/gu, '_');

const newLeaf = (name) => notHidden(newSegment(path.basename(name)));

/** An output keeps its directories; a name that had to be changed carries a hash of the original. */
function newOutputName(name) {
  const segments = name.split('/').map(newSegment);
  segments.push(notHidden(segments.pop()));
  const sanitized = segments.join('/');
  if (sanitized === name) {
    return name;
  }
  const { dir, name: stem, ext } = path.posix.parse(sanitized);
  const hash = crypto.createHash('sha256').update(name).digest('hex').slice(0, 6);
  return path.posix.join(dir, `${stem}-${hash}${ext}`);
}

/** The names of an attachment: in LibreChat's records, and in the upload to the Code API. */
const attachmentNames = {
  old: (name) => ({ recorded: oldLeaf(name), uploaded: name }),
  new: (name) => ({ recorded: newLeaf(name), uploaded: newLeaf(name) }),
};

/** The name of an output in LibreChat's records. */
const outputName = { old: oldLeaf, new: newOutputName };

module.exports = { attachmentNames, outputName };
