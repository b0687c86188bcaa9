// Streams that end badly throw, always; streams that are left are cancelled.
import { aChat, readAll, refusalOf, textOf } from './context.mjs';

const CANCELLED_WITHIN_MS = 1000;

// Each script twice: what the client says of its connection must make no difference.
export async function broken(context) {
  const told = {};
  for (const [name, script] of Object.entries(context.settings.broken)) {
    for (const connection of ['keep-alive', 'close']) {
      await context.resetProviders();
      await context.script(script);
      const { data, response } = await context.client.chat.completions
        .create(aChat({ model: 'hasty', stream: true }), { headers: { Connection: connection } })
        .withResponse();
      const { chunks, error } = await readAll(data);
      told[`${name}, ${connection}`] = {
        chunks: chunks.length,
        text: textOf(chunks),
        error,
        calls: await context.calls(),
        connection: response.headers.get('connection'),
      };
    }
  }
  return told;
}

export async function broken_helper(context) {
  await context.script({ cut_at_event: 4 });
  return refusalOf(context.client.chat.completions.stream(aChat()).finalChatCompletion());
}

async function leftBy(context, leave) {
  await context.script({ tokens: 10000, tokens_per_second: 50 });
  const stream = await context.client.chat.completions.create(aChat({ stream: true }));
  let seen = 0;
  for await (const _ of stream) {
    seen += 1;
    if (seen === 3 && leave(stream)) break;
  }
  return { seen, cancelled_ms: await context.cancelledWithin(CANCELLED_WITHIN_MS) };
}

export const left_by_break = (context) => leftBy(context, () => true);

export const left_by_abort = (context) => leftBy(context, (stream) => stream.controller.abort());

export async function left_by_timeout(context) {
  await context.script({ hang: 'head' });
  const client = context.clientWith({ timeout: 100, maxRetries: 0 });
  const told = await refusalOf(client.chat.completions.create(aChat()));
  return { told, cancelled_ms: await context.cancelledWithin(CANCELLED_WITHIN_MS) };
}
