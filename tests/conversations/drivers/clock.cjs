'use strict';
// LibreChat's time of day. A test advances it together with the service's.

let offsetMs = 0;

const now = () => Date.now() + offsetMs;

function advance(seconds) {
  offsetMs += seconds * 1000;
}

module.exports = { now, advance };
