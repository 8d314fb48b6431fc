import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SYMPTOM_CATEGORIES } from './entry.js';
import { SYMPTOMS, SYMPTOM_AREAS, isSymptomCode, symptomOf } from './symptom.js';
import { SELF_EXPLAINING } from './self-explaining.fixture.js';

const root = join(import.meta.dirname, '../../../..');

/** Everything that runs in production, without the registry itself. */
const sources = ['libs', 'services'].flatMap((part) =>
  readdirSync(join(root, part)).flatMap((project) =>
    readdirSync(join(root, part, project, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !/\.(spec|fixture|conformance|d)\.ts$/.test(file))
      .map((file) => join(part, project, 'src', file))
      .filter((file) => !file.startsWith(join('libs', 'domain', 'src', 'symptom')))
      .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') })),
  ),
);

describe('the symptom registry', () => {
  it('tells title, cause and remedy of each', () => {
    const bad = Object.entries(SYMPTOMS).filter(
      ([code, { title, cause, remedy, category }]) =>
        !/^[a-z][a-z_]*[a-z]$/.test(code) ||
        !/^[A-Z].{5,}[^.:]$/.test(title) ||
        !/^[A-Z\d].{10,}\.$/i.test(cause) ||
        !/^[A-Z].{10,}/.test(remedy) ||
        !SYMPTOM_CATEGORIES.includes(category),
    );
    expect(bad).toEqual([]);
  });

  it('has each code in one area', () => {
    const codes = Object.values(SYMPTOM_AREAS).flatMap(({ symptoms }) => Object.keys(symptoms));
    expect([...codes].sort()).toEqual(Object.keys(SYMPTOMS).sort());
  });

  it('has words for what it does not know', () => {
    expect(symptomOf('never heard of').category).toBe('unknown');
    expect(symptomOf('constructor').category).toBe('unknown');
    expect(symptomOf('global_limit').title).toBe('Global limit reached');
  });

  it('names only settings that there are', () => {
    const all = sources.map(({ text }) => text).join('\n');
    const text = JSON.stringify(SYMPTOMS);
    const named = new Set(text.match(/\b(CAPSTAN|OTEL|NATS)_[A-Z0-9_]+\b/g));
    expect(named.size).toBeGreaterThan(5);
    expect([...named].filter((name) => !all.includes(name))).toEqual([]);
  });
});

describe('the sources', () => {
  const selfExplaining = Object.values(SELF_EXPLAINING).flat();
  /** `code: '…'` of an error, an attention, a refusal or a health check; `symptom: '…'` of an outcome. */
  const written = new Map<string, string>();
  for (const { file, text } of sources)
    for (const [, code] of text.matchAll(/\b(?:code|symptom)(?:: SymptomCode =|:| =) '([a-z][a-z0-9_]*)'/g))
      written.set(code!, file);

  it('give no code that is neither in the registry nor known to explain itself', () => {
    expect(written.size).toBeGreaterThan(150);
    const strangers = [...written].filter(([code]) => !isSymptomCode(code) && !selfExplaining.includes(code));
    expect(strangers).toEqual([]);
  });

  it('can produce every entry', () => {
    const all = sources.map(({ text }) => text).join('\n');
    expect(Object.keys(SYMPTOMS).filter((code) => !all.includes(`'${code}'`))).toEqual([]);
  });

  it('still have each code that explains itself', () => {
    expect(selfExplaining.filter((code) => !written.has(code) || isSymptomCode(code))).toEqual([]);
  });
});
