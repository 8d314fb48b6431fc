import { routes } from '@capstan/api';
import type { Command, CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import { gatewayOf } from './gateway-client.js';

export const signInCommand: Command = {
  name: 'sign-in',
  usage: 'sign-in',
  summary: 'Print a link that signs a browser of this machine in, once; for a password that is forgotten.',
  arity: [0, 0],
  run: signIn,
};

async function signIn({ config, terminal }: CommandContext): Promise<ExitCode> {
  const gateway = gatewayOf(config);
  const { path, expiresAt } = await gateway.call(routes.createLink);
  const link = new URL(path, gateway.url).href;
  terminal.json({ link, expiresAt });
  terminal.line(link);
  terminal.line(terminal.dim('It works once, within ten minutes.'));
  return EXIT.ok;
}
