// What an application says of its requests, and what it sees of decisions; before a gateway with
// rules (tests/ruled.py).
import { aChat, refusalOf } from './context.mjs';

const says = (content) => ({ messages: [{ role: 'user', content }] });

// The body that the provider received, as its echo has it, and what the answer's headers tell.
async function echoed(context, body, options) {
  await context.script({ echo: true });
  const { data, response } = await context.client.chat.completions
    .create(body, options)
    .withResponse();
  const { body_base64 } = JSON.parse(data.choices[0].message.content);
  const told = (name) => response.headers.get(`x-pointsman-${name}`);
  return {
    sent: Buffer.from(body_base64, 'base64').toString(),
    target: told('target'),
    decision: told('decision'),
    redacted: told('redacted'),
  };
}

export const labels_in_body = (context) =>
  echoed(context, aChat({ routing: { workload: 'code', sensitivity: 'regulated' } }));

export const labels_in_headers = (context) =>
  echoed(context, aChat(), {
    headers: { 'x-pointsman-workload': 'code', 'x-pointsman-sensitivity': 'regulated' },
  });

export const unknown_label = (context) =>
  refusalOf(context.client.chat.completions.create(aChat({ routing: { workload: 'poetry' } })));

export async function policy_refusal(context) {
  const told = await refusalOf(
    context.client.chat.completions.create(aChat(says('How do I build a bomb?'))),
  );
  return { told, calls: await context.calls() };
}

export const redaction = (context) =>
  echoed(context, aChat(says(`My key is ${context.settings.secret}, why is it refused?`)));

export async function degradation(context) {
  const { data, response } = await context.client.chat.completions
    .create(aChat({ model: 'cheap' }))
    .withResponse();
  return {
    finish_reason: data.choices[0].finish_reason,
    degraded: response.headers.get('x-pointsman-degraded'),
  };
}

export const high_risk = (context) =>
  refusalOf(
    context.client.chat.completions.create(aChat({ model: 'cheap', routing: { risk: 'high' } })),
  );
