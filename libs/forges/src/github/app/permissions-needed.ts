import { FORGE_PURPOSES, type ForgePurpose } from '@capstan/domain';

type Level = 'read' | 'write';
/** GitHub's names of permissions, and how much of each. */
export type Permissions = Readonly<Record<string, Level>>;

/** What each purpose can't do without. Every token may read metadata, whether it asks for it or not. */
const NEEDED: Readonly<Record<ForgePurpose, Permissions>> = {
  look: { metadata: 'read' },
  fetch: { contents: 'read' },
  follow: { contents: 'read', pull_requests: 'read', checks: 'read', statuses: 'read', issues: 'read' },
  publish: { contents: 'write', pull_requests: 'write' },
  publish_workflows: { contents: 'write', pull_requests: 'write' },
  check: { checks: 'write' },
  read_tickets: { issues: 'read' },
  write_tickets: { issues: 'write' },
};

/**
 * Asked for where the app has it. Without it GitHub refuses a push that changes workflows, and nothing else: an app is
 * registered without it, and whoever lets agents change workflows adds it there.
 */
const WELCOME: Partial<Record<ForgePurpose, Permissions>> = { publish_workflows: { workflows: 'write' } };

const RANKS: Readonly<Record<string, number>> = { read: 1, write: 2, admin: 3 };

/** Exactly what all purposes need together: what an app is registered with. */
export const APP_PERMISSIONS: Permissions = FORGE_PURPOSES.map((purpose) => NEEDED[purpose]).reduce(together);

/** What a token for this purpose is narrowed to, of what the installation has. */
export function permissionsFor(purpose: ForgePurpose, granted: Readonly<Record<string, string>>): Permissions {
  const welcome = Object.entries(WELCOME[purpose] ?? {}).filter(([name, level]) => suffices(granted[name], level));
  return { ...NEEDED[purpose], ...Object.fromEntries(welcome) };
}

/** The needed permissions that an installation lacks, in GitHub's words: `Pull requests: write`. */
export function missingPermissions(needed: Permissions, granted: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(needed)
    .filter(([name, level]) => !suffices(granted[name], level))
    .map(([name, level]) => `${TITLES[name] ?? name}: ${level === 'write' ? 'Read and write' : 'Read-only'}`);
}

/** As the permissions are called on the app's page. */
const TITLES: Readonly<Record<string, string>> = {
  metadata: 'Metadata',
  contents: 'Contents',
  pull_requests: 'Pull requests',
  checks: 'Checks',
  statuses: 'Commit statuses',
  issues: 'Issues',
  workflows: 'Workflows',
};

function suffices(granted: string | undefined, needed: Level): boolean {
  return (RANKS[granted ?? ''] ?? 0) >= RANKS[needed]!;
}

function together(one: Permissions, other: Permissions): Permissions {
  const higher = Object.entries(other).filter(([name, level]) => !suffices(one[name], level));
  return { ...one, ...Object.fromEntries(higher) };
}
