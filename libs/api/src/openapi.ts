import { z } from 'zod';
import { LIVE_NAMESPACE, LIVE_PATH } from './live.js';
import { Problem } from './resources/common.js';
import type { Route } from './route.js';
import { routes } from './routes.js';

type Json = { [key: string]: unknown };

const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'The request can not be read: its body is not JSON',
  401: 'Nobody is signed in',
  403: 'Not allowed: the role lacks the permission, or the request comes from another site',
  404: 'Not there, or not in your workspace',
  409: 'It stands against the present state',
  413: 'Larger than 1 MB',
  415: 'Not JSON in UTF-8',
  422: 'A field is wrong or unknown; `issues` names each',
  429: 'Too often; Retry-After says when to come back',
  503: 'Postgres can not be asked right now; Retry-After says when to come back',
};

const TAGS: Readonly<Record<string, string>> = {
  access: 'Setting up, signing in, access tokens',
  workspace: 'The workspace',
  repositories: 'Repositories that agents work on, and where their tickets come from',
  secrets: 'Secrets: they go in and never come out',
  tasks: 'Units of work, and what is asked of them',
  runs: 'Lives of agents, their logs, their pull requests',
  pods: 'Where agents run',
  events: 'What happened',
};

/**
 * The REST contract as OpenAPI 3.1. Pure: the same routes give the same document.
 * @param version of the installation.
 */
export function openApiDocument(version: string, contract: Readonly<Record<string, Route>> = routes): Json {
  const components = new Components();
  const paths: Record<string, Json> = {};
  for (const [operationId, route] of Object.entries(contract)) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(operationId, route, components) };
  }
  const problem = components.add(Problem, 'output');
  return {
    openapi: '3.1.0',
    info: {
      title: 'Capstan',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description: `Turns tickets into merged pull requests. Live updates come over Socket.IO: path \`${LIVE_PATH}\`, namespace \`${LIVE_NAMESPACE}\`, websocket only.`,
    },
    servers: [{ url: '/' }],
    tags: [...new Set(Object.values(contract).map(({ tag }) => tag))].map((name) => ({
      name,
      ...(TAGS[name] === undefined ? {} : { description: TAGS[name] }),
    })),
    security: [{ session: [] }, { accessToken: [] }],
    paths,
    components: {
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: 'capstan_session' },
        accessToken: { type: 'http', scheme: 'bearer', description: 'An access token, capstan_…' },
      },
      responses: Object.fromEntries(
        Object.entries(PROBLEMS).map(([status, description]) => [
          `Problem${status}`,
          { description, content: { 'application/problem+json': { schema: problem } } },
        ]),
      ),
      schemas: components.all(),
    },
  };
}

function operation(operationId: string, route: Route, components: Components): Json {
  const open = route.permission === 'public';
  return {
    operationId,
    tags: [route.tag],
    summary: route.summary,
    'x-permission': route.permission,
    ...(open ? { security: [] } : {}),
    ...parameters(operationId, route, components),
    ...(route.body === undefined ? {} : { requestBody: requestBody(route.body, components) }),
    responses: responses(route, components, open),
  };
}

function parameters(operationId: string, route: Route, components: Components): Json {
  const found = [...members(route.params, 'path', components), ...members(route.query, 'query', components)];
  if (operationId === 'createTask')
    found.push({
      name: 'Idempotency-Key',
      in: 'header',
      required: false,
      description: 'A repeat with the same key and body gets the first answer; with another body 422',
      schema: { type: 'string', minLength: 1, maxLength: 200 },
    });
  return found.length === 0 ? {} : { parameters: found };
}

function members(schema: z.ZodType | undefined, place: 'path' | 'query', components: Components): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = components.convert(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...member }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: member,
  }));
}

function requestBody(body: z.ZodType, components: Components): Json {
  return {
    required: !body.safeParse(undefined).success,
    content: { 'application/json': { schema: components.add(body, 'input') } },
  };
}

function responses(route: Route, components: Components, open: boolean): Json {
  const status = route.status ?? 200;
  const content =
    route.answer === undefined
      ? {}
      : { content: { 'application/json': { schema: components.add(route.answer, 'output') } } };
  const answers: Record<string, Json> = {
    [status]: { description: route.status === 204 ? 'Done' : 'Answered', ...content },
  };
  for (const [other, description] of Object.entries(route.otherwise ?? {}))
    answers[other] =
      Number(other) < 400
        ? { description, ...content }
        : {
            description,
            content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
          };
  for (const problem of problemsOf(route, open))
    answers[problem] ??= { $ref: `#/components/responses/Problem${problem}` };
  return answers;
}

function problemsOf({ method, path, permission }: Route, open: boolean): number[] {
  const writes = method !== 'GET';
  return [
    400,
    ...(open ? [429] : [401, 403]),
    ...(path.includes(':') || !open ? [404] : []),
    ...(writes ? [409, 413, 415] : []),
    ...(permission === 'public' && writes ? [401, 403] : []),
    422,
    503,
  ];
}

/** Schemas that have a name are written once and referred to; one that differs as input gets a second name. */
class Components {
  private readonly schemas = new Map<string, Json>();

  all(): Json {
    return Object.fromEntries([...this.schemas].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  /** A reference where the schema has a name, else the schema itself. */
  add(schema: z.ZodType, io: 'input' | 'output'): Json {
    const name = schema.meta()?.id;
    const converted = this.convert(schema, io);
    return typeof name === 'string' ? { $ref: `#/components/schemas/${this.keep(name, converted, io)}` } : converted;
  }

  convert(schema: z.ZodType, io: 'input' | 'output'): Json {
    const { $schema, id, $defs, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12', io }) as Json & {
      $defs?: Record<string, Json>;
    };
    void $schema;
    void id;
    const names = new Map<string, string>();
    // First the names, then the schemas: definitions refer to one another.
    for (const [name, definition] of Object.entries($defs ?? {}))
      names.set(
        name,
        this.nameFor(
          name,
          clean(definition, (each) => each),
          io,
        ),
      );
    const refer = (each: string) => names.get(each) ?? each;
    for (const [name, definition] of Object.entries($defs ?? {}))
      this.schemas.set(refer(name), clean(definition, refer));
    return clean(rest, refer);
  }

  private keep(name: string, schema: Json, io: 'input' | 'output'): string {
    const chosen = this.nameFor(name, schema, io);
    this.schemas.set(chosen, schema);
    return chosen;
  }

  private nameFor(name: string, schema: Json, io: 'input' | 'output'): string {
    const known = this.schemas.get(name);
    return known === undefined || same(known, schema) ? name : io === 'input' ? `${name}Input` : `${name}Output`;
  }
}

function same(one: Json, other: Json): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** References into `#/components/schemas`, and no `id`s, which OpenAPI takes for anchors. */
function clean(schema: Json, refer: (name: string) => string): Json {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (value === null || typeof value !== 'object') return value;
    const entries = Object.entries(value as Json).flatMap(([key, member]): [string, unknown][] => {
      if (key === '$ref' && typeof member === 'string')
        return [
          [key, member.replace(/^#\/\$defs\/(.+)$/, (_all, name: string) => `#/components/schemas/${refer(name)}`)],
        ];
      if (key === 'id' && typeof member === 'string') return [];
      return [[key, walk(member)]];
    });
    return Object.fromEntries(entries);
  };
  return walk(schema) as Json;
}
