import { endpoints } from 'virtual:capstan-routes';
import { ApiProblem, unreachable } from './problem.ts';
import type { AnswerOf, BodyOf, Operation } from './types.ts';

export interface CallOptions<Name extends Operation> {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: BodyOf<Name>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Answered<Value> {
  readonly value: Value;
  readonly status: number;
}

/** Called when the session is gone; set once by the shell, so that every page ends at sign-in. */
let onUnauthenticated: () => void = () => undefined;
export function whenUnauthenticated(handler: () => void): void {
  onUnauthenticated = handler;
}

/** Path of an operation with its parameters and query filled in, URL-encoded. */
export function addressOf(
  name: Operation,
  params: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const path = endpoints[name].path.replace(/:(\w+)/g, (_whole, key: string) =>
    encodeURIComponent(params[key] ?? `:${key}`),
  );
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== '') search.set(key, `${value}`);
  const tail = search.toString();
  return tail === '' ? path : `${path}?${tail}`;
}

/**
 * One call of the contract, same origin, session cookie. Throws {@link ApiProblem} for every answer that isn't 2xx,
 * with status 0 where there was no answer. An abort throws the browser's `AbortError`.
 */
export async function callFully<Name extends Operation>(
  name: Name,
  options: CallOptions<Name> = {},
): Promise<Answered<AnswerOf<Name>>> {
  const { params, query, body, headers, signal } = options;
  let response: Response;
  try {
    response = await fetch(addressOf(name, params, query), {
      method: endpoints[name].method,
      credentials: 'same-origin',
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw unreachable(cause);
  }
  if (!response.ok) throw await problemFrom(name, response);
  const text = await response.text();
  return { value: (text === '' ? undefined : JSON.parse(text)) as AnswerOf<Name>, status: response.status };
}

export async function call<Name extends Operation>(name: Name, options?: CallOptions<Name>): Promise<AnswerOf<Name>> {
  return (await callFully(name, options)).value;
}

async function problemFrom(name: Operation, response: Response): Promise<ApiProblem> {
  const body = (await response.json().catch(() => ({}))) as Partial<ApiProblem['problem']>;
  const problem = new ApiProblem({
    type: body.type ?? 'about:blank',
    title: body.title ?? (response.statusText || 'The gateway refused'),
    status: response.status,
    code: body.code ?? `http_${response.status}`,
    detail: body.detail ?? `The gateway answered ${response.status} without a reason.`,
    requestId: body.requestId ?? response.headers.get('x-request-id') ?? '',
    ...(body.field === undefined ? {} : { field: body.field }),
    ...(body.remedy === undefined ? {} : { remedy: body.remedy }),
    ...(body.issues === undefined ? {} : { issues: body.issues }),
    ...(body.retryAfterMs === undefined ? {} : { retryAfterMs: body.retryAfterMs }),
  });
  const isCredentialTry = name === 'signIn' || name === 'redeemLink' || name === 'setUp';
  if (response.status === 401 && !isCredentialTry) onUnauthenticated();
  return problem;
}
