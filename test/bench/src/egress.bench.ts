import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchOptions } from './bench-options.js';
import { sleep } from './clock.js';
import { Gate } from './gate.js';
import { SPREAD_COLUMNS, spreadRow, type BenchReport } from './report.js';
import { MODEL_KEY, ModelClient, ScriptedModel, type Answered } from './scripted-model.js';
import type { Stage } from './stage.js';
import { spread } from './statistics.js';

const SIZES = {
  full: { warmUp: 100, calls: 1_000, streams: 30, events: 100 },
  quick: { warmUp: 20, calls: 100, streams: 5, events: 40 },
} as const;
/** Between two events of a stream. ms */
const GAP_MS = 10;
/** As long as the prompt of an agent in the middle of its work. */
const BODY = JSON.stringify({ model: 'bench', stream: true, input: 'x'.repeat(64 * 1_024) });

/** The same call of a model, made directly and through egress, one after the other. */
interface Pair {
  readonly direct: Answered;
  readonly door: Answered;
}

/** What egress' door to models adds to a call: asked directly and through it, by the same client of the same model. */
export async function benchEgress(stage: Stage, { form, directory }: BenchOptions): Promise<BenchReport> {
  const { warmUp, calls, streams, events } = SIZES[form];
  const model = await ScriptedModel.start(GAP_MS);
  const gate = new Gate(directory, 'egress');
  const { taskId, proxy } = await heldRun(stage, { model, gate, file: join(directory, 'egress-proxy') });
  const direct = new ModelClient(model.url, MODEL_KEY);
  const door = new ModelClient(`${proxy.origin}/model/openai`, proxy.password);
  try {
    const pair = async (of: number): Promise<Pair> => ({
      direct: await direct.ask(BODY, of),
      door: await door.ask(BODY, of),
    });
    for (let index = 0; index < warmUp; index += 1) await pair(0);
    const whole: Pair[] = [];
    for (let index = 0; index < calls; index += 1) whole.push(await pair(0));
    const streamed: Pair[] = [];
    for (let index = 0; index < streams; index += 1) streamed.push(await pair(events));
    return report(whole, streamed, events);
  } finally {
    gate.open();
    direct.close();
    door.close();
    await stage.untilFinished([taskId]);
    await model.close();
  }
}

interface HeldRunOptions {
  readonly model: ScriptedModel;
  readonly gate: Gate;
  /** Where the agent writes how it reaches egress. */
  readonly file: string;
}

/** A run that goes on until the gate opens, and what its agent would reach egress by; its model is the scripted one. */
async function heldRun(
  stage: Stage,
  { model, gate, file }: HeldRunOptions,
): Promise<{ readonly taskId: string; readonly proxy: URL }> {
  rmSync(file, { force: true });
  await stage.capstan.call('PUT', '/api/secrets/OPENAI_API_KEY', { value: MODEL_KEY });
  const repository = await stage.repository('egress', { script: 'holder.sh', arguments: [file, gate.path] });
  const taskId = await stage.post(repository, 'Egress');
  await stage.until('the agent to say how it reaches egress', async () => existsSync(file));
  await stage.query(`update run set agent = agent || jsonb_build_object('baseUrl', $2::text) where task_id = $1`, [
    taskId,
    model.url,
  ]);
  await sleep(2_000); // egress reads a run anew each second
  return { taskId, proxy: new URL(readFileSync(file, 'utf8')) };
}

function report(whole: readonly Pair[], streamed: readonly Pair[], events: number): BenchReport {
  const of = (pairs: readonly Pair[], read: (answered: Answered) => readonly number[]) => {
    const values = pairs.map(({ direct, door }) => [read(direct), read(door)] as const);
    return {
      direct: spread(values.flatMap(([direct]) => direct)),
      door: spread(values.flatMap(([, door]) => door)),
      added: spread(values.flatMap(([direct, door]) => door.map((ms, index) => ms - (direct[index] ?? 0)))),
    };
  };
  const call = of(whole, ({ wholeMs }) => [wholeMs]);
  const first = of(streamed, ({ firstMs }) => [firstMs]);
  const event = of(streamed, ({ lagsMs }) => lagsMs);
  const made = `n = ${call.added.n}, one at a time, each beside a direct one`;
  const madeStreams = `${streamed.length} streams of ${events} events, one each ${GAP_MS} ms`;
  return {
    bench: 'egress: a call of a model through egress, beside the same call made directly',
    how: [
      `${call.added.n} calls with a body of 64 KB, one at a time, on kept connections; each is made directly, then through the model door`,
      `${madeStreams}; the model says when it made each, on the same clock`,
      'added: the difference within each pair; model and client are this process, egress is Capstan’s host, and nothing is spent on TLS',
    ],
    tables: [
      {
        title: 'ms',
        columns: SPREAD_COLUMNS,
        rows: (
          [
            ['call', call],
            ['first byte of a stream', first],
            ['event of a stream', event],
          ] as const
        ).flatMap(([name, { direct, door, added }]) => [
          spreadRow(`${name}, directly`, direct),
          spreadRow(`${name}, through egress`, door),
          spreadRow(`${name}, added`, added),
        ]),
      },
    ],
    figures: [
      { key: 'egress.call.p50', value: call.added.p50, made },
      { key: 'egress.call.p95', value: call.added.p95, made },
      { key: 'egress.first.p95', value: first.added.p95, made: madeStreams },
      { key: 'egress.event.p95', value: event.added.p95, made: madeStreams },
    ],
    ratios: [{ key: 'egress.call', ours: call.door.p50, yardstick: call.direct.p50 }],
    faults: faultsOf([...whole, ...streamed], streamed, events),
  };
}

function faultsOf(all: readonly Pair[], streamed: readonly Pair[], events: number): string[] {
  const refused = all.filter(({ direct, door }) => direct.status !== 200 || door.status !== 200).length;
  const torn = streamed.filter(({ door: { numbers } }) => {
    return numbers.length !== events || numbers.some((number, index) => number !== index + 1);
  }).length;
  return [
    ...(refused > 0 ? [`${refused} calls were refused`] : []),
    ...(torn > 0 ? [`${torn} streams came with events lost, twice or in another order`] : []),
  ];
}
