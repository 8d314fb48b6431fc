import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');
const rules = readFileSync(join(root, 'deploy/prometheus/capstan.rules.yaml'), 'utf8');
const readme = readFileSync(join(root, 'deploy/prometheus/README.md'), 'utf8');

const named = [...new Set(rules.match(/\bcapstan_\w+/g))];
const alerts = [...rules.matchAll(/- alert: (\w+)\n\s+expr: (.+)\n\s+for: (\w+)\n/g)];

/** Names of metrics as the services make them, and the labels of the one by kind. */
const sources = globSync(['libs/*/src/**/*.ts', 'services/*/src/**/*.ts'], { cwd: root })
  .filter((file) => !file.endsWith('.spec.ts'))
  .map((file) => readFileSync(join(root, file), 'utf8'))
  .join('\n');

describe('the alert rules', () => {
  it.each(named)('know %s from the services that tell it', (metric) => {
    expect(sources).toMatch(new RegExp(`'${metric}'`));
  });

  it('have one for what is parked, and each has its words in the README', () => {
    expect(alerts.length).toBe(rules.match(/- alert:/g)!.length);
    expect(alerts.map(([, , expression]) => expression)).toContain('max by (kind) (capstan_parked_rows) > 0');
    for (const [, alert] of alerts) expect(readme).toContain(`\`${alert}\``);
  });
});
