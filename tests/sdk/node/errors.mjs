// Refusals, as the exceptions that the SDK has for them, and how often it tries again.
import { aChat, refusalOf } from './context.mjs';

export async function keys(context) {
  const { keys: tokens } = context.settings;
  const told = {};
  for (const [name, apiKey] of Object.entries(tokens)) {
    if (name === 'good') continue;
    const client = context.clientWith({ apiKey });
    told[name] = await refusalOf(client.chat.completions.create(aChat()));
  }
  told.missing = await refusalOf(
    context.client.chat.completions.create(aChat(), { headers: { Authorization: null } }),
  );
  return { told, calls: await context.calls() };
}

export async function unknown_model(context) {
  return [
    await refusalOf(context.client.chat.completions.create(aChat({ model: 'gpt-9' }))),
    await refusalOf(context.client.models.retrieve('gpt-9')),
  ];
}

export async function bad_request(context) {
  const told = await refusalOf(
    context.client.chat.completions.create(aChat({ temperature: 'hot' })),
  );
  return { told, calls: await context.calls() };
}

export async function rate_limited(context) {
  await context.script({ rate_limited: { retry_after: 40 } });
  const client = context.clientWith({ maxRetries: 0 });
  return refusalOf(client.chat.completions.create(aChat()));
}

export async function rate_limited_shortly(context) {
  await context.script([{ rate_limited: { retry_after: 1 } }]);
  const completion = await context.client.chat.completions.create(aChat({ model: 'one' }));
  return { finish_reason: completion.choices[0].finish_reason, calls: await context.calls() };
}

export async function failed(context) {
  const told = {};
  for (const stream of [false, true]) {
    await context.resetProviders();
    await context.script({ error: { status: 500 } });
    const error = await refusalOf(context.client.chat.completions.create(aChat({ stream })));
    told[stream ? 'streamed' : 'plain'] = { ...error, calls: await context.calls() };
  }
  return told;
}
