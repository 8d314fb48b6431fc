import { UserError } from '@capstan/domain';
import type { Forge } from './forge.port.js';
import { createGitHubForge } from './github/github.adapter.js';

/** Every forge that Capstan knows: one line each. */
const FORGES: readonly Forge[] = [
  createGitHubForge(), // github.com and GitHub Enterprise Server
];

export const FORGE_NAMES: readonly string[] = FORGES.map(({ name }) => name);

/** The forge of that name. Throws UserError `forge_unknown` with the field `forge`. */
export function forge(name: string): Forge {
  const found = FORGES.find((each) => each.name === name);
  if (found) return found;
  throw new UserError(`unsupported forge "${name}"; expected ${FORGE_NAMES.join(', ')}`, {
    code: 'forge_unknown',
    status: 422,
    field: 'forge',
    remedy: `Choose one of: ${FORGE_NAMES.join(', ')}.`,
  });
}
