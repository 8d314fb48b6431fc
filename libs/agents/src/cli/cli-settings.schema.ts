import { UserError } from '@capstan/domain';
import { z } from 'zod';
import type { AgentSettings } from '../agent.port.js';
import { isReservedVariable } from '../environment.js';

const noNul = (text: string) => !text.includes('\0');
const value = z.string().max(4_096).refine(noNul, 'must not contain NUL');

/** Settings that every agent of a provider takes: which model, whose endpoint, further variables. */
export interface CliSettings {
  readonly agent: string;
  readonly model?: string | undefined;
  /** Address of a compatible model endpoint instead of the provider's own. */
  readonly baseUrl?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The reader of the settings of the agent `name`. `secrets` are the names that its credentials have: whoever writes one
 * among the plain variables is sent to the page where it is kept sealed.
 */
export function cliSettings(name: string, secrets: readonly string[]): (settings: AgentSettings) => CliSettings {
  const schema = z.strictObject({
    agent: z.literal(name),
    // Never the look of an option: the name is an argument of the agent's command line.
    model: value
      .regex(/^[A-Za-z0-9][\w./:@+-]*$/, 'expected the name of a model')
      .max(200)
      .optional(),
    baseUrl: z
      .url({ protocol: /^https?$/, error: 'expected an http or https address' })
      .max(2_000)
      .optional(),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), value)
      .default({})
      .superRefine((env, context) => {
        for (const variable of Object.keys(env)) {
          if (isReservedVariable(variable))
            context.addIssue({
              code: 'custom',
              path: [variable],
              message: 'is set by Capstan and can not be replaced',
            });
          if (secrets.includes(variable))
            context.addIssue({
              code: 'custom',
              path: [variable],
              message: 'is a secret: set it under Settings → Secrets, where it is kept sealed',
            });
        }
      }),
  });
  return (settings) => validated(schema, settings);
}

/** Settings with their defaults. Throws UserError `agent_settings_invalid` with the first faulty field and all issues. */
export function validated<Output>(schema: z.ZodType<Output>, settings: AgentSettings): Output {
  const parsed = schema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ field: path.map(String).join('.'), message }));
  const first = issues[0]!;
  throw new UserError(`${first.field || 'settings'}: ${first.message}`, {
    code: 'agent_settings_invalid',
    status: 422,
    field: first.field,
    issues,
  });
}
