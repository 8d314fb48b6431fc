import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import type { Ajv, ValidateFunction } from 'ajv';

type Schema = { [key: string]: unknown };

interface OpenApi {
  readonly paths?: Record<string, Record<string, Operation>>;
  readonly webhooks?: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Schema> };
}

interface Operation {
  readonly responses?: Record<string, { $ref?: string; content?: Record<string, { schema?: Schema }> }>;
  readonly requestBody?: { content?: Record<string, { schema?: Schema }> };
}

const REF = '#/components/schemas/';

/**
 * Checks bodies against GitHub's published OpenAPI. The descriptions are read on first use: 13 MB and 5 MB of JSON,
 * about a third of a second.
 */
export class GitHubSchemas {
  private rest: Promise<Description> | undefined;
  private webhooks: Promise<Description> | undefined;

  /** Faults of a REST answer; empty when it is right or GitHub publishes no schema for it. */
  async answerFaults(method: string, template: string, status: number, body: unknown): Promise<string[]> {
    this.rest ??= load('@octokit/openapi');
    const description = await this.rest;
    const operation = description.operation(method, template);
    if (!operation) return [`GitHub's description has no ${method} ${template}`];
    const response = operation.responses?.[String(status)];
    if (!response) return [`GitHub's description has no ${status} for ${method} ${template}`];
    const schema = response.content?.['application/json']?.schema;
    return schema ? description.faults(`${method} ${template} ${status}`, schema, body) : [];
  }

  /** Faults of a webhook's payload. */
  async webhookFaults(event: string, action: string | null, payload: unknown): Promise<string[]> {
    this.webhooks ??= load('@octokit/openapi-webhooks');
    const description = await this.webhooks;
    const name = [event, ...(action ? [action] : [])].join('-').replaceAll('_', '-');
    const schema = description.webhook(name)?.requestBody?.content?.['application/json']?.schema;
    if (!schema) return [`GitHub's description has no webhook ${name}`];
    return description.faults(name, schema, payload);
  }
}

async function load(packageName: string): Promise<Description> {
  const path = createRequire(import.meta.url).resolve(`${packageName}/generated/api.github.com.json`);
  const [text, { Ajv: AjvClass }, formats] = await Promise.all([
    readFile(path, 'utf8'),
    import('ajv'),
    import('ajv-formats'),
  ]);
  const ajv = new AjvClass({ strict: false, allErrors: true, validateFormats: true });
  formats.default.default(ajv);
  return new Description(JSON.parse(text) as OpenApi, ajv);
}

class Description {
  private readonly compiled = new Map<string, ValidateFunction>();
  private readonly paths: Map<string, Record<string, Operation>>;

  constructor(
    private readonly document: OpenApi,
    private readonly ajv: Ajv,
  ) {
    const shape = Object.entries(document.paths ?? {}).map(([path, item]) => [withoutNames(path), item] as const);
    this.paths = new Map(shape);
  }

  operation(method: string, template: string): Operation | undefined {
    return this.paths.get(withoutNames(template))?.[method.toLowerCase()];
  }

  webhook(name: string): Operation | undefined {
    return this.document.webhooks?.[name]?.['post'];
  }

  faults(key: string, schema: Schema, value: unknown): string[] {
    let validate = this.compiled.get(key);
    if (!validate) {
      validate = this.ajv.compile(this.selfContained(schema));
      this.compiled.set(key, validate);
    }
    if (validate(value)) return [];
    return (validate.errors ?? [])
      .slice(0, 12)
      .map((error) => `${key}: ${error.instancePath || '/'} ${error.message ?? ''} ${JSON.stringify(error.params)}`);
  }

  /** The schema together with all that it refers to, and nothing else: Ajv would walk the whole document. */
  private selfContained(schema: Schema): Schema {
    const definitions: Record<string, Schema> = {};
    const visit = (node: unknown): unknown => {
      if (Array.isArray(node)) return node.map(visit);
      if (typeof node !== 'object' || node === null) return node;
      const copy: Schema = {};
      for (const [name, value] of Object.entries(node)) {
        if (name === 'example' || name === 'examples' || name === 'discriminator') continue;
        if (name === '$ref' && typeof value === 'string' && value.startsWith(REF)) {
          const target = value.slice(REF.length);
          if (!(target in definitions)) {
            definitions[target] = {};
            definitions[target] = visit(this.document.components.schemas[target]) as Schema;
          }
          copy['$ref'] = `#/definitions/${target}`;
          continue;
        }
        copy[name] = visit(value);
      }
      return withNull(copy);
    };
    const root = visit(schema) as Schema;
    return { allOf: [root], definitions };
  }
}

/** OpenAPI 3.0's `nullable` in the words of JSON Schema. */
function withNull(schema: Schema): Schema {
  if (schema['nullable'] !== true) return schema;
  const { nullable: _nullable, ...rest } = schema;
  return { anyOf: [{ type: 'null' }, rest] };
}

const withoutNames = (path: string): string => path.replace(/\{[^}]*\}/g, '{}');
