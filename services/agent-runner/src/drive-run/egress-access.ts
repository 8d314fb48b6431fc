/** How the agent of one run reaches what is outside its pod. */
export interface EgressAccess {
  /** Egress's address as the pod sees it, without a slash at its end. */
  readonly url: string;
  /** The run's own token there. It opens nothing else, and nothing once the run is over. */
  readonly token: string;
}

/** Hosts of the pod itself: there an agent's own servers listen. */
const OWN_HOSTS = ['localhost', '127.0.0.1', '::1'];

/** Where a repository is fetched from: the git door, which asks its forge. */
export function gitRemote(
  { url, token }: EgressAccess,
  cloneUrl: string,
): { readonly remoteUrl: string; readonly authorization?: string } {
  if (!isRemote(cloneUrl)) return { remoteUrl: cloneUrl };
  return { remoteUrl: `${url}/git${new URL(cloneUrl).pathname}`, authorization: basic(token) };
}

/**
 * The variables that send an agent's programs to egress. In small letters too, since curl reads `http_proxy` in no other
 * form; the last one is for programs on Node, which ignore the others unless they are told.
 */
export function egressEnvironment({ url, token }: EgressAccess): Readonly<Record<string, string>> {
  const proxy = new URL(url);
  const own = [...new Set([...OWN_HOSTS, proxy.hostname.replace(/^\[|\]$/g, '')])].join(',');
  [proxy.username, proxy.password] = ['run', token];
  const address = proxy.href.replace(/\/$/, '');
  const proxies = { HTTP_PROXY: address, HTTPS_PROXY: address, NO_PROXY: own };
  const small = Object.entries(proxies).map(([name, value]) => [name.toLowerCase(), value]);
  return { ...proxies, ...Object.fromEntries(small), NODE_USE_ENV_PROXY: '1' };
}

/** The variables that have git ask the git door for whatever it would ask the repository's forge for. */
export function gitEnvironment({ url, token }: EgressAccess, cloneUrl: string): Readonly<Record<string, string>> {
  if (!isRemote(cloneUrl)) return {};
  const door = `${url}/git/`;
  return {
    GIT_CONFIG_COUNT: '2',
    GIT_CONFIG_KEY_0: `url.${door}.insteadOf`,
    GIT_CONFIG_VALUE_0: `${new URL(cloneUrl).origin}/`,
    GIT_CONFIG_KEY_1: `http.${door}.extraHeader`,
    GIT_CONFIG_VALUE_1: `Authorization: ${basic(token)}`,
  };
}

/** One whose address isn't http lies in the pod itself. */
function isRemote(cloneUrl: string): boolean {
  return /^https?:/.test(cloneUrl);
}

function basic(token: string): string {
  return `Basic ${Buffer.from(`run:${token}`).toString('base64')}`;
}
