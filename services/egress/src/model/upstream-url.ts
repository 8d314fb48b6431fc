import { LISTS, type Provider } from './provider.js';

/**
 * The address at the provider, or at the compatible endpoint that a person set, that a request to the door means; null
 * where it leads beside its paths for models. A version that both the endpoint's address and the request begin with is
 * meant once.
 * @param method what is asked by POST isn't deleted
 * @param rest path after `/model/PROVIDER`, with its query
 */
export function upstreamUrl(provider: Provider, baseUrl: string | undefined, method: string, rest: string): URL | null {
  const [path = '', query = ''] = splitOnce(rest, '?');
  const known = method === 'POST' ? provider.asks : method === 'GET' ? LISTS : null;
  if (known?.test(path) !== true || /%|\\|\.\./.test(path)) return null;
  const base = new URL(baseUrl ?? provider.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const version = /\/v1(alpha|beta)?$/.exec(prefix)?.[0];
  const tail = version !== undefined && path.startsWith(`${version}/`) ? path.slice(version.length) : path;
  const url = new URL(`${base.origin}${prefix}${tail}`);
  const parameters = new URLSearchParams(query);
  parameters.delete('key');
  for (const [name, value] of base.searchParams) if (!parameters.has(name)) parameters.append(name, value);
  url.search = parameters.toString();
  return url;
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}
