// What an application gets when all is well.
import { makeParseableResponseFormat, makeParseableTool } from 'openai/lib/parser';
import { aChat, readAll, textOf } from './context.mjs';

const ODD_TEXT = 'Grüße, 漢字, עברית, 👩‍👩‍👧‍👦 🇪🇺, "quoted" \\ and \u2028 a line\r\nend';

const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    strict: true,
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
};
const CALLS = [
  { name: 'weather', arguments: { city: 'Paris' } },
  { name: 'weather', arguments: { city: '東京' } },
];
const PLAN = {
  type: 'json_schema',
  json_schema: {
    name: 'plan',
    strict: true,
    schema: {
      type: 'object',
      properties: { title: { type: 'string' }, minutes: { type: 'integer' } },
      required: ['title', 'minutes'],
      additionalProperties: false,
    },
  },
};

export async function plain(context) {
  await context.script({ content: ODD_TEXT });
  const { data, response, request_id } = await context.client.chat.completions
    .create(aChat({ messages: [{ role: 'user', content: ODD_TEXT }] }))
    .withResponse();
  return {
    text_is_whole: data.choices[0].message.content === ODD_TEXT,
    finish_reason: data.choices[0].finish_reason,
    usage: data.usage,
    request_ids: [data._request_id, request_id, response.headers.get('x-request-id')],
    target: response.headers.get('x-pointsman-target'),
  };
}

export async function stream(context) {
  await context.script({ content: ODD_TEXT, split: 'bytes' });
  const { chunks, error } = await readAll(
    context.client.chat.completions.create(aChat({ stream: true })),
  );
  return {
    text_is_whole: textOf(chunks) === ODD_TEXT,
    finish_reason: chunks.at(-1).choices[0].finish_reason,
    error,
  };
}

export async function usage(context) {
  const tokens = {};
  for (const [name, options] of Object.entries({
    asked: { stream_options: { include_usage: true } },
    declined: { stream_options: { include_usage: false } },
    unasked: {},
  })) {
    const { chunks } = await readAll(
      context.client.chat.completions.create(aChat({ stream: true, ...options })),
    );
    tokens[name] = chunks
      .filter((chunk) => chunk.choices.length === 0)
      .map((chunk) => chunk.usage.completion_tokens);
  }
  return tokens;
}

export async function tools(context) {
  await context.script({ tool_calls: CALLS });
  const completion = await context.client.chat.completions.create(aChat({ tools: [WEATHER] }));
  return {
    finish_reason: completion.choices[0].finish_reason,
    arguments: completion.choices[0].message.tool_calls.map((call) =>
      JSON.parse(call.function.arguments),
    ),
  };
}

export async function tools_streamed(context) {
  await context.script({ tool_calls: CALLS, split: 7 });
  const weather = makeParseableTool(WEATHER, { parser: JSON.parse });
  const completion = await context.client.chat.completions
    .stream(aChat({ tools: [weather] }))
    .finalChatCompletion();
  return {
    finish_reason: completion.choices[0].finish_reason,
    arguments: completion.choices[0].message.tool_calls.map(
      (call) => call.function.parsed_arguments,
    ),
  };
}

export async function parse(context) {
  const response_format = makeParseableResponseFormat(PLAN, JSON.parse);
  const asked = aChat({ response_format });
  const plainly = await context.client.chat.completions.parse(asked);
  const streamed = await context.client.chat.completions.stream(asked).finalChatCompletion();
  return [plainly, streamed].map(({ choices }) => {
    const { title, minutes } = choices[0].message.parsed;
    return [typeof title, typeof minutes];
  });
}

export async function completions(context) {
  await context.script({ content: 'Once upon a time.' });
  const asked = { model: 'auto', prompt: 'Tell me' };
  const completion = await context.client.completions.create(asked);
  const { chunks, error } = await readAll(
    context.client.completions.create({ ...asked, stream: true }),
  );
  return { plain: completion.choices[0].text, streamed: textOf(chunks), error };
}

export async function embeddings(context) {
  const asked = { model: 'embeddings', input: Array.from({ length: 200 }, (_, at) => `text ${at}`) };
  const packed = await context.client.embeddings.create(asked);
  const floats = await context.client.embeddings.create({ ...asked, encoding_format: 'float' });
  const apart = packed.data.flatMap(({ embedding }, at) =>
    embedding.map((value, index) => Math.abs(value - floats.data[at].embedding[index])),
  );
  return { count: packed.data.length, largest_difference: Math.max(...apart), values: apart.length };
}

export async function models(context) {
  const listed = [];
  for await (const model of context.client.models.list()) listed.push(model.id);
  const odd = await context.client.models.retrieve('org/model:v1');
  return { listed, retrieved: odd.id };
}
