import { Problem, pathOf, type Route } from '@capstan/api';
import { TransientError, UserError, errorText, type UserErrorStatus } from '@capstan/domain';
import type { z } from 'zod';
import type { CliConfig } from '../cli.config.js';
import { DataDirectory } from '../launcher/data-directory.js';

const ANSWER_WITHIN_MS = 30_000;
const USER_STATUSES: readonly number[] = [400, 401, 403, 404, 409, 410, 413, 415, 422, 429];

type AnswerOf<R> = R extends Route<z.ZodType, z.ZodType, z.ZodType, infer Answer> ? z.output<Answer> : never;

export interface RequestValues {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
}

/** The gateway as typed calls of its routes. */
export class GatewayClient {
  constructor(
    readonly url: string,
    readonly token: string,
  ) {}

  /**
   * One request.
   * @throws UserError with the gateway's own words and remedy; TransientError when it can't be reached or fails.
   */
  async call<R extends Route>(route: R, values: RequestValues = {}): Promise<AnswerOf<R>> {
    const address = new URL(pathOf(route, values.params), this.url);
    for (const [name, value] of Object.entries(values.query ?? {})) {
      if (value !== undefined) address.searchParams.set(name, String(value));
    }
    const answer = await this.fetch(address, route.method, values.body);
    const body: unknown = answer.status === 204 ? undefined : await answer.json().catch(() => undefined);
    if (!answer.ok) throw problemOf(answer.status, body, this.url);
    const parsed = route.answer?.safeParse(body);
    if (parsed !== undefined && !parsed.success) {
      throw new TransientError(`${this.url} answers ${route.path} in a way that this capstan doesn't understand`, {
        code: 'answer_not_understood',
        cause: parsed.error,
      });
    }
    return parsed?.data as AnswerOf<R>;
  }

  private async fetch(address: URL, method: string, body: unknown): Promise<Response> {
    try {
      return await fetch(address, {
        method,
        headers: {
          authorization: `Bearer ${this.token}`,
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
    } catch (cause) {
      throw new TransientError(`${this.url} can't be reached: ${errorText(cause)}`, {
        code: 'gateway_unreachable',
      });
    }
  }
}

/** The gateway of the environment, else that of the data directory. @throws TransientError when neither is known */
export function gatewayOf(config: CliConfig): GatewayClient {
  const local = new DataDirectory(config.dataDir).cliAccess();
  const url = config.url ?? local?.url;
  // The local token is for the local gateway alone: it must not be sent to another one.
  const token = config.token ?? (config.url === undefined || config.url === local?.url ? local?.token : undefined);
  if (url === undefined) {
    throw new TransientError(`no gateway is known: nothing was started in ${config.dataDir}`, {
      code: 'gateway_unknown',
    });
  }
  if (token === undefined) {
    throw new UserError(`no access token for ${url}`, {
      code: 'token_missing',
      status: 401,
      field: 'CAPSTAN_TOKEN',
    });
  }
  return new GatewayClient(url, token);
}

function problemOf(status: number, body: unknown, url: string): UserError | TransientError {
  const problem = Problem.safeParse(body);
  if (status === 401 && problem.success && problem.data.code === 'not_signed_in') {
    // The gateway speaks to browsers of signing in; here it is the token.
    return new UserError(`${url} does not accept this access token`, {
      code: 'token_refused',
      status: 401,
      field: 'CAPSTAN_TOKEN',
    });
  }
  const detail = problem.success ? problem.data.detail : `${url} answered with status ${status}`;
  const details = {
    code: problem.success ? problem.data.code : `status_${status}`,
    ...(problem.success && problem.data.field !== undefined ? { field: problem.data.field } : {}),
    ...(problem.success && problem.data.remedy !== undefined ? { remedy: problem.data.remedy } : {}),
  };
  if (!USER_STATUSES.includes(status)) return new TransientError(detail, details);
  const remedy = details.remedy ?? (status === 401 ? 'Make an access token and set CAPSTAN_TOKEN.' : undefined);
  return new UserError(detail, {
    ...details,
    ...(remedy === undefined ? {} : { remedy }),
    status: status as UserErrorStatus,
  });
}
