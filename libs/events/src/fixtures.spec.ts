import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CATALOG } from './catalog.js';
import type { EventDefinition } from './define-event.js';

/** Messages as they were once sent. One file per event and version, never edited: a broker may still hold such. */
const DIRECTORY = join(import.meta.dirname, 'fixtures');

interface Fixture {
  readonly subject: string;
  readonly payload: unknown;
}

const events: readonly EventDefinition[] = CATALOG as readonly EventDefinition[];
const files = readdirSync(DIRECTORY).filter((file) => file.endsWith('.json'));
const fileOf = ({ name, version }: EventDefinition): string => `${name}.v${version}.json`;
const read = (file: string): Fixture => JSON.parse(readFileSync(join(DIRECTORY, file), 'utf8')) as Fixture;

describe('the catalog', () => {
  it('has a fixture for the present version of each event', () => {
    expect(events.map(fileOf).filter((file) => !files.includes(file))).toEqual([]);
  });

  it('knows the event of every fixture', () => {
    const names = new Set(events.map(({ name }) => name));
    expect(files.filter((file) => !names.has(file.replace(/\.v\d+\.json$/, '')))).toEqual([]);
  });

  it('names no event twice', () => {
    expect(new Set(events.map(({ name, version }) => `${name}.v${version}`)).size).toBe(events.length);
  });

  it('has subjects of which none matches the filter of another', () => {
    const subjects = events.map((event) => read(fileOf(event)).subject);
    for (const event of events) {
      expect(subjects.filter((subject) => event.parseSubject(subject) !== null)).toHaveLength(1);
    }
  });
});

describe.each(events.map((event) => [event.name, event] as const))('%s', (_name, event) => {
  const { subject, payload } = read(fileOf(event));

  it('parses its fixture and keeps every member', () => {
    expect(event.schema.parse(payload)).toEqual(payload);
  });

  it('has the subject that it was sent on', () => {
    expect(event.subject(payload)).toBe(subject);
    expect(event.parseSubject(subject)).toBe(subject.split('.').at(-1));
  });

  it('refuses an empty payload', () => {
    expect(event.schema.safeParse({}).success).toBe(false);
  });
});
