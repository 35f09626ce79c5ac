'use strict';
// LibreChat's file records of one conversation, and how they become the files of a run.
//
// A record: {name, uploadName, ref, path, isOutput, updatedAt}; `path` is LibreChat's own copy of the bytes.

const fs = require('node:fs');
const path = require('node:path');
const { uploadFile, isAlive, download } = require('./code_files.cjs');
const { attachmentNames, outputName } = require('./file_names.cjs');

class FileRecords {
  #user;
  #directory;
  #records = [];
  #attached = [];
  #changes = 0;

  constructor(user, directory) {
    this.#user = user;
    this.#directory = directory;
  }

  /** Attach a file to the next message; it is uploaded at once. */
  async attach(file) {
    const { recorded, uploaded } = attachmentNames[this.#user.generation](file.filename);
    const ref = await uploadFile(this.#user, { path: file.path, filename: uploaded });
    const names = { name: recorded, uploadName: uploaded };
    const record = { ...names, ref, path: file.path, isOutput: false, updatedAt: this.#countChange() };
    this.#records.push(record);
    this.#attached.push(record);
    return { name: recorded, ...ref };
  }

  /**
   * The files of a message, in LibreChat's order: attached to it, then outputs, then older uploads, latest first.
   * Builds of August 2026 sort them by a time that each message sets anew, so any order occurs; `reversed` is one.
   */
  filesOfMessage({ reversed }) {
    const latestFirst = this.#records.toSorted((a, b) => b.updatedAt - a.updatedAt);
    const files = new Set([
      ...this.#attached,
      ...latestFirst.filter((record) => record.isOutput),
      ...latestFirst.filter((record) => !record.isOutput),
    ]);
    this.#attached = [];
    return reversed ? [...files].reverse() : [...files];
  }

  /** Probe each session once and upload again what is dead. Returns the files for a run, and the names of failures. */
  async prime(files) {
    const probed = new Set();
    const primed = { files: [], failed: [] };
    for (const file of files) {
      if (probed.has(file.ref.sid) || (await isAlive(this.#user, file.ref))) {
        probed.add(file.ref.sid);
        primed.files.push({ name: file.name, ...file.ref });
      } else {
        await this.#reupload(file, primed, probed);
      }
    }
    if (this.#user.generation === 'new' && files.length > 0 && primed.files.length === 0) {
      throw new Error(`RESOURCE_RECOVERY_REQUIRED: ${primed.failed}`);
    }
    return primed;
  }

  async #reupload(file, primed, probed) {
    const dead = file.ref;
    try {
      file.ref = await uploadFile(this.#user, { path: file.path, filename: file.uploadName });
    } catch {
      primed.failed.push(file.name);
      return;
    }
    // up to v0.8.5 this priming gives the dead ids; the next one gives the new ones
    const ref = this.#user.generation === 'old' ? dead : file.ref;
    probed.add(ref.sid);
    primed.files.push({ name: file.name, ...ref });
  }

  /** Download an output of a run and record it; a later one of the same name replaces it. */
  async storeOutput(name, ref) {
    const bytes = await download(this.#user, ref);
    const recorded = outputName[this.#user.generation](name);
    const copy = path.join(this.#directory, `output-${ref.fid}`);
    fs.writeFileSync(copy, bytes);
    const existing = this.#records.find((record) => record.isOutput && record.name === recorded);
    const record = existing ?? { name: recorded, uploadName: recorded, isOutput: true };
    Object.assign(record, { ref, path: copy, updatedAt: this.#countChange() });
    if (!existing) {
      this.#records.push(record);
    }
    return { name, recorded, ...ref, path: copy };
  }

  #countChange() {
    this.#changes += 1;
    return this.#changes;
  }
}

module.exports = { FileRecords };
