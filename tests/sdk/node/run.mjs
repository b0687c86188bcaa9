// Runs every case, one after another, and prints what came of each as one JSON object by name.
// The settings of two gateways come as JSON on standard input; see tests/sdk/nodejs.py.
import { readFileSync } from 'node:fs';
import { Context } from './context.mjs';
import * as answers from './answers.mjs';
import * as decisions from './decisions.mjs';
import * as errors from './errors.mjs';
import * as streams from './streams.mjs';

const { plain, ruled } = JSON.parse(readFileSync(0, 'utf8'));
const told = {};
for (const [settings, cases] of [
  [plain, { ...answers, ...errors, ...streams }],
  [ruled, decisions],
]) {
  for (const [name, run] of Object.entries(cases)) {
    const context = new Context(settings);
    await context.resetProviders();
    try {
      told[name] = await run(context);
    } catch (error) {
      told[name] = { unexpected: String(error?.stack ?? error) };
    }
  }
}
process.stdout.write(JSON.stringify(told));
// Kept connections would hold the process open for their idle time.
process.exit(0);
