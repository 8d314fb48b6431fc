import { UserError, errorText } from '@capstan/domain';
import type { ServiceMain } from '@capstan/service-kit';
import { z } from 'zod';

const Main = z.object({ name: z.string(), config: z.instanceof(z.ZodObject), start: z.function() });

/** The main of a service, by its built package. @throws UserError `service_not_built` */
export async function loadService(name: string): Promise<ServiceMain> {
  let main: unknown;
  try {
    main = await import(`@capstan/${name}`);
  } catch (cause) {
    const missing = /^(ERR_)?MODULE_NOT_FOUND$/.test((cause as NodeJS.ErrnoException).code ?? '');
    if (!missing) throw cause;
    throw new UserError(`the service ${name} can't be loaded: ${errorText(cause)}`, {
      code: 'service_not_built',
      field: 'CAPSTAN_SERVICES',
      cause,
    });
  }
  if (Main.safeParse(main).success) return main as ServiceMain;
  throw new UserError(`the service ${name} doesn't export name, config and start`, { code: 'service_main_invalid' });
}
