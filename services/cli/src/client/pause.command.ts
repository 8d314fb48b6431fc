import { routes } from '@capstan/api';
import type { Command, CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import { clockOf, plain } from '../terminal.js';
import { gatewayOf } from './gateway-client.js';

export const pauseCommand: Command = {
  name: 'pause',
  usage: 'pause',
  summary: 'Begin nothing new in the workspace: no run, and no write to forge or tracker.',
  details: 'Agents at work go on; what they finish is published after `capstan resume`.',
  arity: [0, 0],
  run: (context) => set(context, true),
};

export const resumeCommand: Command = {
  name: 'resume',
  usage: 'resume',
  summary: 'End the pause of the workspace: what waited goes on at once.',
  arity: [0, 0],
  run: (context) => set(context, false),
};

async function set({ config, terminal }: CommandContext, paused: boolean): Promise<ExitCode> {
  const workspace = await gatewayOf(config).call(routes.patchWorkspace, { body: { paused } });
  terminal.json(workspace);
  const { name, pausedAt, pausedBy } = workspace;
  if (pausedAt === null) terminal.line(`${plain(name)} goes on.`);
  else {
    const by = pausedBy === null ? '' : ` by ${plain(pausedBy)}`;
    terminal.line(`${plain(name)} is paused${by} since ${clockOf(pausedAt)}. Agents at work go on.`);
  }
  return EXIT.ok;
}
