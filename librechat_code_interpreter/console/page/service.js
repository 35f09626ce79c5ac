// Speak to the service. The key lives in this tab's session storage, and goes nowhere but into a header.

const PLACE = "code-interpreter-key";

export class Refused extends Error {}

export const key = {
  get: () => sessionStorage.getItem(PLACE) ?? "",
  keep: (text) => sessionStorage.setItem(PLACE, text),
  forget: () => sessionStorage.removeItem(PLACE),
};

// Paths are relative, so that the page works below any prefix, with /v1 or without.
export async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (key.get()) headers["X-API-Key"] = key.get();
  const answer = await fetch(path, { ...options, headers, cache: "no-store", redirect: "error" });
  if (answer.status === 401) throw new Refused("The key is wrong.");
  if (!answer.ok) throw new Error(await complaint(answer));
  return answer;
}

export const data = async (path, options) => (await ask(path, options)).json();

async function complaint(answer) {
  try {
    const body = await answer.json();
    return body.message ?? body.error;
  } catch {
    return `The service answered ${answer.status}.`;
  }
}

export async function readiness() {
  const answer = await fetch("readyz", { cache: "no-store" });
  return answer.json();
}

export function run(program, signal) {
  return data("exec", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(program),
    signal,
  });
}

export const download = (session, file) =>
  ask(`download/${encodeURIComponent(session)}/${encodeURIComponent(file)}`).then((answer) => answer.blob());
