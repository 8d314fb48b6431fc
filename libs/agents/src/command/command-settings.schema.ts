import { z } from 'zod';
import type { AgentSettings } from '../agent.port.js';
import { validated } from '../cli/cli-settings.schema.js';
import { isReservedVariable } from '../environment.js';

/** Where an argument of argv names the file that holds the prompt. */
export const PROMPT_FILE_PLACEHOLDER = '{promptFile}';

const noNul = (text: string) => !text.includes('\0');
const argument = z.string().max(4_096).refine(noNul, 'must not contain NUL');

export const commandSettingsSchema = z
  .strictObject({
    agent: z.literal('command'),
    model: z.string().min(1).max(200).refine(noNul, 'must not contain NUL').optional(),
    argv: z
      .array(argument, { error: 'expected the program and its arguments as a list of strings' })
      .min(1, 'expected at least the program')
      .max(200)
      .refine((argv) => argv[0] === undefined || argv[0].trim() !== '', { error: 'the program is empty', path: [0] })
      .readonly(),
    promptVia: z.enum(['stdin', 'file']).default('stdin'),
    output: z.enum(['text', 'ndjson']).default('text'),
    input: z.enum(['none', 'ndjson']).default('none'),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), argument)
      .default({})
      .superRefine((env, context) => {
        for (const name of Object.keys(env).filter(isReservedVariable)) {
          context.addIssue({ code: 'custom', path: [name], message: 'is set by Capstan and can not be replaced' });
        }
      }),
  })
  .refine(
    ({ argv, promptVia }) => promptVia === 'file' || !argv.some((each) => each.includes(PROMPT_FILE_PLACEHOLDER)),
    {
      error: `must be "file" because argv names ${PROMPT_FILE_PLACEHOLDER}`,
      path: ['promptVia'],
    },
  );

export type CommandSettings = z.output<typeof commandSettingsSchema>;

/** Settings with their defaults. Throws UserError `agent_settings_invalid` with the first faulty field and all issues. */
export function commandSettings(settings: AgentSettings): CommandSettings {
  return validated(commandSettingsSchema, settings);
}
