import { writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { SUPERVISOR_EXIT } from '@capstan/domain';
import type { StartRequest } from '@capstan/domain';
import { attach } from './attach.js';
import { command } from './command.js';
import { discard } from './discard.js';
import { SupervisorFault } from './fault.js';
import { follow } from './follow.js';
import { setSearchPath } from './git.js';
import { init } from './init.js';
import { runAgentInside } from './inside-boundary.js';
import { keep, launch, start } from './launch.js';
import { prepare } from './prepare.js';
import { probe } from './probe.js';
import { readRequest } from './request.js';
import { RunDirectory } from './run-directory.js';
import { collectRun, finishRun, reuseHere } from './run-inside.js';
import { searchPath } from './supervisor.config.js';
import { status } from './status.js';

interface Arguments {
  readonly command: string;
  readonly runId: string;
  readonly root: string;
  readonly from: number;
  readonly epoch: number;
}

/** One command, as DESIGN §5 and the protocol in @capstan/domain say. Answers one line, `attach` and `collect` more. */
async function main({ command: name, runId, root, from, epoch }: Arguments): Promise<unknown> {
  setSearchPath(searchPath());
  switch (name) {
    case 'prepare':
      return await prepare(root, runId, await readRequest());
    case 'launch':
      return await launch(root, runId, await readRequest());
    case 'start':
      return await startAndFollow(root, runId, await readRequest());
    case 'keep':
      await keep(root, runId);
      return undefined;
    case 'attach':
      await attach(new RunDirectory(root, runId), from, epoch);
      return undefined;
    case 'command':
      return await command(new RunDirectory(root, runId), await readRequest());
    case 'status':
      return await status(new RunDirectory(root, runId));
    case 'finish':
      return await finishRun(new RunDirectory(root, runId), await readRequest());
    case 'collect':
      await collectRun(new RunDirectory(root, runId), await readRequest());
      return undefined;
    case 'discard':
      await discard(root, await readRequest());
      return {};
    case 'init':
      init(root);
      return undefined;
    case 'inside':
      await runAgentInside(runId);
      // Its relay may still hold connections that nobody needs.
      return process.exit(0);
    case 'reuse':
      return reuseHere(root, await readRequest());
    case 'probe':
      return await probe(await readRequest());
    default:
      throw usage(`unknown command ${JSON.stringify(name)}`);
  }
}

async function startAndFollow(root: string, runId: string, request: StartRequest): Promise<unknown> {
  const answer = await start(root, runId, request);
  const { follow: wanted } = request;
  if (wanted === undefined) return answer;
  print(answer);
  return await follow(new RunDirectory(root, runId), { ...request, follow: wanted }, answer);
}

function usage(message: string): SupervisorFault {
  const commands = 'prepare launch start attach command status finish collect discard init';
  return new SupervisorFault('usage', `${message}; COMMAND [RUN] --root DIR, of ${commands}`, SUPERVISOR_EXIT.usage);
}

function readArguments(given: readonly string[]): Arguments {
  const options: Record<string, string> = {};
  const words: string[] = [];
  for (let at = 0; at < given.length; at++) {
    const word = given[at] ?? '';
    if (!word.startsWith('--')) words.push(word);
    else if (['--root', '--from', '--epoch'].includes(word)) options[word] = given[++at] ?? '';
    else throw usage(`unknown option ${word}`);
  }
  const { '--root': root, '--from': from = '1', '--epoch': epoch = '0' } = options;
  if (root === undefined || root === '') throw usage('--root is missing');
  if (![from, epoch].every((each) => /^\d{1,15}$/.test(each))) throw usage('--from and --epoch are numbers');
  const [name = '', runId = ''] = words;
  return { command: name, runId, root: resolve(root), from: Number(from), epoch: Number(epoch) };
}

/** Straight to the descriptor: for a short answer, making a stream of it costs more than all the rest. */
function print(answer: unknown): void {
  const bytes = Buffer.from(`${JSON.stringify(answer)}\n`);
  for (let written = 0; written < bytes.length;) written += writeSync(1, bytes, written);
}

function fail(error: unknown): void {
  const known = error instanceof SupervisorFault;
  const code = known ? error.code : 'failed';
  const message = error instanceof Error ? error.message : String(error);
  process.exitCode = known ? error.exitCode : SUPERVISOR_EXIT.failed;
  print({ error: { code, message } });
}

try {
  const answer = await main(readArguments(process.argv.slice(2)));
  if (answer !== undefined) print(answer);
} catch (error) {
  fail(error);
}
