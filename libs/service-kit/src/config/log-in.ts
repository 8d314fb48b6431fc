import { isAbsolute } from 'node:path';
import { z } from 'zod';

/** What the services that find and use existing log-ins of agents' programs read from the environment. */
export const logInSettings = {
  CAPSTAN_LOGIN_HOME: z
    .string()
    .default('')
    .refine((path) => path === '' || isAbsolute(path), 'expected an absolute path, or nothing')
    .transform((path) => (path === '' ? undefined : path))
    .meta({
      description:
        'Home directory whose log-ins of agents’ programs stand in where no secret is set; empty: none. npm start sets yours',
    }),
};
