import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');
const PARENTS = ['services', 'libs', 'test'];
/** Lines that a README may have, besides a table that a program wrote into it (DESIGN §1). */
const BUDGET = 80;
const WRITTEN = /<!-- measured: .*?-->.*?<!-- measured: to here -->/s;

const projects = PARENTS.flatMap((parent) =>
  readdirSync(join(ROOT, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(ROOT, parent, entry.name, 'package.json')))
    .map((entry) => `${parent}/${entry.name}`),
);

/** `a/b · c` in the first column of the map means a/b and a/c. */
function mapped(): string[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const rows = readme.split('\n').filter((line) => /^\| `(services|libs|test|web)/.test(line));
  return rows.flatMap((row) => {
    const names = [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
    const parent = (names[0] ?? '').split('/')[0] ?? '';
    return names.map((name, index) => (index === 0 ? name : `${parent}/${name}`));
  });
}

describe('The READMEs', () => {
  it('map every project, and nothing that is not there', () => {
    expect(mapped().sort()).toEqual([...projects, 'web'].sort());
  });

  it.each(['.', 'web', ...projects])('%s has one, within its budget', (project) => {
    const readme = readFileSync(join(ROOT, project, 'README.md'), 'utf8');
    expect(readme).toMatch(/^# \S/);
    expect(readme.replace(WRITTEN, '').trimEnd().split('\n').length).toBeLessThanOrEqual(BUDGET);
  });

  it.each(['.', 'web', ...projects])('%s names only paths that are there', (project) => {
    const readme = readFileSync(join(ROOT, project, 'README.md'), 'utf8');
    const paths = [...readme.matchAll(/`((?:services|libs|test|web|scripts|images)\/[\w./-]*[\w/])`/g)].map(
      (match) => match[1] ?? '',
    );
    expect(paths.filter((path) => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, project, path)))).toEqual([]);
  });
});
