import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument } from './openapi.js';
import { routes } from './routes.js';

describe('openApiDocument', () => {
  const document = openApiDocument('1.2.3') as {
    paths: Record<string, Record<string, { operationId: string; responses: object; security?: unknown[] }>>;
    components: Record<string, Record<string, unknown>>;
  };
  const text = JSON.stringify(document);

  it('holds every operation once, by its name', () => {
    const names = Object.values(document.paths).flatMap((path) => Object.values(path).map((each) => each.operationId));
    expect(names.sort()).toEqual(Object.keys(routes).sort());
  });

  it('refers only to what it holds', () => {
    const targets = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, target]) => target!));
    expect(targets.size).toBeGreaterThan(20);
    for (const target of targets) {
      const [, components, group, name] = /^#\/(components)\/(\w+)\/(\w+)$/.exec(target) ?? [];
      expect([target, components, document.components[group!]?.[name!] !== undefined]).toEqual([
        target,
        'components',
        true,
      ]);
    }
    expect(text).not.toContain('$defs');
    expect(text).not.toContain('"$schema"');
  });

  it('says which operations need nobody to be signed in', () => {
    const open = Object.values(document.paths).flatMap((path) =>
      Object.values(path).filter((each) => each.security?.length === 0),
    );
    expect(open.map(({ operationId }) => operationId).sort()).toEqual(['redeemLink', 'setUp', 'setUpStatus', 'signIn']);
  });

  it('tells input from output where they differ', () => {
    const { schemas } = document.components as { schemas: Record<string, { required?: string[] }> };
    expect(schemas['CreateTask']!.required).toEqual(['repositoryId', 'title']);
    expect(schemas['Task']!.required).toContain('waiting');
  });

  it('is what lies in openapi.json', () => {
    const file = JSON.parse(readFileSync(join(import.meta.dirname, '../openapi.json'), 'utf8')) as {
      info: { version: string };
    };
    expect(file).toEqual(openApiDocument(file.info.version));
  });
});
