import { routes } from '@capstan/api';
import type { CommandContext } from '../command.js';
import { ageOf, plain, type Terminal } from '../terminal.js';
import { gatewayOf, type GatewayClient } from './gateway-client.js';

type Agent = Awaited<ReturnType<typeof listAgents>>['items'][number];

const FROM: Readonly<Record<Agent['credentialFrom'], string>> = {
  none_needed: 'none needed',
  secret: 'secret',
  log_in: 'log-in',
  missing: 'missing',
};

/** `capstan get agents`: what there is of each agent, then what puts right what is wrong. */
export async function getAgents({ config, terminal }: CommandContext): Promise<void> {
  const answer = await listAgents(gatewayOf(config));
  terminal.json(answer);
  showAgents(answer.items, terminal);
}

function listAgents(gateway: GatewayClient) {
  return gateway.call(routes.listAgents);
}

function showAgents(agents: readonly Agent[], terminal: Terminal): void {
  const rows = agents.flatMap((agent) =>
    (agent.machines.length === 0 ? [null] : agent.machines).map((machine) => [
      agent.name,
      machine?.version ?? '',
      plain(machine?.path ?? (machine === null ? '' : 'not found')),
      FROM[agent.credentialFrom],
      testWords(agent.test),
    ]),
  );
  terminal.table(['AGENT', 'VERSION', 'FOUND AT', 'CREDENTIAL', 'LAST TEST'], rows, { shrink: [FOUND_AT] });
  const fixes = agents.flatMap(({ name, fixes: each }) =>
    each.map(({ words, command }) => `${name}  ${plain(words)}${command === null ? '' : `: ${plain(command)}`}`),
  );
  if (fixes.length > 0) terminal.line();
  for (const fix of fixes) terminal.wrapped(fix, 2, (line) => terminal.yellow(line));
}

const FOUND_AT = 2;

function testWords(test: Agent['test']): string {
  if (test === null) return '';
  if (test.answeredAt === null) return test.state;
  return `${test.state}, ${ageOf(test.answeredAt, Date.now())} ago`;
}
