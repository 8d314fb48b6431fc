import { readFileSync } from 'node:fs';
import { UserError, type FieldIssue } from '@capstan/domain';
import { z } from 'zod';
import { isPlaceholder } from './placeholder.js';

/** The environment as a plain object; only a `*.config.ts` of a program reads the real one. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** One thing that is wrong with the environment. */
export interface ConfigFault {
  readonly variable: string;
  readonly reason: string;
  readonly remedy: string;
}

/** Everything that is wrong with the environment, at once. */
export class ConfigError extends UserError {
  constructor(readonly faults: readonly ConfigFault[]) {
    const lines = faults.map(({ reason, remedy }) => `  - ${reason}. ${remedy}`);
    super(`the configuration can't work:\n${lines.join('\n')}`, {
      code: 'config_invalid',
      issues: faults.map(({ variable, reason }): FieldIssue => ({ field: variable, message: reason })),
      ...(faults[0] ? { field: faults[0].variable, remedy: 'Correct this and start again.' } : {}),
    });
  }
}

interface FieldMeta {
  readonly description?: string;
  readonly secret?: boolean;
  readonly remedy?: string;
}

/**
 * Reads and checks the environment.
 *
 * A variable whose schema has `.meta({ secret: true })` may also be given as a file's path in `<NAME>_FILE`; its value
 * never shows up in a fault, and a placeholder is refused. An empty variable counts as unset.
 * @throws ConfigError with all faults.
 */
export function loadConfig<Schema extends z.ZodObject>(schema: Schema, env: Environment): z.infer<Schema> {
  const { faults, value } = checkConfig(schema, env);
  if (value === undefined) throw new ConfigError(faults);
  return value;
}

/** Like {@link loadConfig} over several schemas: what any of them misses is said once. */
export function assertConfigs(schemas: readonly z.ZodObject[], env: Environment): void {
  const faults = new Map<string, ConfigFault>();
  for (const schema of schemas) {
    for (const fault of checkConfig(schema, env).faults) faults.set(`${fault.variable} ${fault.reason}`, fault);
  }
  if (faults.size > 0) throw new ConfigError([...faults.values()]);
}

function checkConfig<Schema extends z.ZodObject>(
  schema: Schema,
  env: Environment,
): { readonly faults: readonly ConfigFault[]; readonly value: z.infer<Schema> | undefined } {
  const faults: ConfigFault[] = [];
  const raw: Record<string, string> = {};
  for (const [variable, field] of Object.entries(schema.shape) as [string, z.ZodType][]) {
    const meta = metaOf(field);
    const found = read(variable, meta, env, faults);
    if (found !== undefined) raw[variable] = found;
    if (found !== undefined && meta.secret && isPlaceholder(found)) {
      faults.push(fault(variable, `${variable} is a placeholder`, meta, 'Put a real secret there.'));
    }
  }
  const parsed = schema.safeParse(raw);
  const known = new Set(faults.map(({ variable }) => variable));
  for (const issue of parsed.success ? [] : parsed.error.issues) {
    const variable = String(issue.path[0] ?? '');
    if (known.has(variable)) continue;
    known.add(variable);
    const field = schema.shape[variable] as z.ZodType | undefined;
    faults.push(describe(variable, raw[variable], issue, field ? metaOf(field) : {}));
  }
  return { faults, value: faults.length === 0 && parsed.success ? parsed.data : undefined };
}

function read(variable: string, meta: FieldMeta, env: Environment, faults: ConfigFault[]): string | undefined {
  const direct = env[variable] || undefined;
  const file = meta.secret ? env[`${variable}_FILE`] || undefined : undefined;
  if (file === undefined) return direct;
  if (direct !== undefined) {
    faults.push(fault(variable, `${variable} and ${variable}_FILE are both set`, {}, 'Set one of them.'));
    return undefined;
  }
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    faults.push(
      fault(
        variable,
        `${variable}_FILE names ${file}, which can't be read (${why})`,
        {},
        'Correct the path or its mode.',
      ),
    );
    return undefined;
  }
}

function describe(variable: string, raw: string | undefined, issue: z.core.$ZodIssue, meta: FieldMeta): ConfigFault {
  if (variable === '') return fault(variable, issue.message, meta, 'Correct these settings together.');
  const name = meta.description ? `${variable} (${meta.description})` : variable;
  if (raw === undefined) return fault(variable, `${name} is missing`, meta, `Set ${variable}.`);
  const shown = meta.secret ? variable : `${variable} "${raw}"`;
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    return fault(
      variable,
      `unsupported ${shown}; expected ${oneOf(values)}`,
      meta,
      `Set ${variable} to ${oneOf(values)}.`,
    );
  }
  return fault(variable, `unsupported ${shown}; ${expectation(issue)}`, meta, `Correct ${variable}.`);
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_small':
      return `expected at least ${issue.minimum}${issue.origin === 'string' ? ' characters' : ''}`;
    case 'too_big':
      return `expected at most ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}`;
    case 'invalid_type':
      return `expected ${issue.expected === 'int' ? 'a whole number' : `a ${issue.expected}`}`;
    case 'invalid_format':
      return issue.message.startsWith('Invalid') ? `expected a valid ${issue.format}` : issue.message;
    default:
      return issue.message;
  }
}

function fault(variable: string, reason: string, meta: FieldMeta, otherwise: string): ConfigFault {
  return { variable, reason, remedy: meta.remedy ?? otherwise };
}

/** `a, b or c`. */
export function oneOf(values: readonly string[]): string {
  return values.length < 2 ? (values[0] ?? '') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

/** The description stays with the schema that it was given to, however that is wrapped. */
function metaOf(field: z.ZodType): FieldMeta {
  for (let at: unknown = field, depth = 0; at instanceof z.ZodType && depth < 6; depth += 1) {
    const meta = at.meta();
    if (meta !== undefined) return meta as FieldMeta;
    const { innerType, in: input } = at.def as { innerType?: unknown; in?: unknown };
    at = innerType ?? input;
  }
  return {};
}
