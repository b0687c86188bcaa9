// What a case works with: clients of the SDK, and the control of the simulated providers.
import OpenAI from 'openai';

const POLL_MS = 10;

export class Context {
  constructor(settings) {
    this.settings = settings;
    this.client = this.clientWith({});
  }

  // A client as an application makes it: base URL and key, then what the case changes.
  clientWith(options) {
    const { base_url: baseURL, keys } = this.settings;
    return new OpenAI({ baseURL, apiKey: keys.good, logLevel: 'off', ...options });
  }

  async resetProviders() {
    await Promise.all(this.#all('/sim/reset', { method: 'POST' }));
  }

  // An object: how all providers behave from now on; a list: how each treats its next calls.
  async script(script) {
    const body = JSON.stringify(script);
    await Promise.all(this.#all('/sim/script', { method: 'POST', body }));
  }

  // The calls that each provider has had since the case began.
  async calls() {
    return (await Promise.all(this.#all('/sim/stats'))).map((stats) => stats.calls);
  }

  // How many milliseconds passed until the first provider saw its client leave; null if it did
  // not within the limit.
  async cancelledWithin(limitMs) {
    const begunMs = performance.now();
    while (performance.now() - begunMs < limitMs) {
      const [first] = await Promise.all(this.#all('/sim/stats'));
      if (first.cancelled > 0) return performance.now() - begunMs;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return null;
  }

  #all(path, options) {
    return this.settings.providers.map(async (url) => (await fetch(url + path, options)).json());
  }
}

export const aChat = (fields = {}) => ({
  model: 'auto',
  messages: [{ role: 'user', content: 'Hello' }],
  ...fields,
});

// What an exception says of itself.
export const toldBy = (error) => ({
  kind: error.constructor.name,
  status: error.status ?? null,
  code: error.code ?? null,
  param: error.param ?? null,
  type: error.type ?? null,
  message: error.message,
  request_id: error.requestID ?? null,
});

export async function refusalOf(promise) {
  try {
    await promise;
  } catch (error) {
    return toldBy(error);
  }
  return { kind: null };
}

// All chunks of a stream, and what it threw in place of ending.
export async function readAll(promise) {
  const chunks = [];
  try {
    for await (const chunk of await promise) chunks.push(chunk);
  } catch (error) {
    return { chunks, error: toldBy(error) };
  }
  return { chunks, error: null };
}

export const textOf = (chunks) =>
  chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? chunk.choices[0]?.text ?? '').join('');
