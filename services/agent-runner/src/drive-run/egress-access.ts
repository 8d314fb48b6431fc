/** How the agent of one run reaches what is outside its pod. */
export interface EgressAccess {
  /** Egress's address as the pod sees it, without a slash at its end. */
  readonly url: string;
  /** The run's own token there. It opens nothing else, and nothing once the run is over. */
  readonly token: string;
}

/** Hosts of the pod itself: there an agent's own servers listen, and egress. */
const OWN_HOSTS = 'localhost,127.0.0.1,::1';

/**
 * The variables that send an agent's programs to egress. In small letters too, since curl reads `http_proxy` in no other
 * form; the last one is for programs on Node, which ignore the others unless they are told.
 */
export function egressEnvironment({ url, token }: EgressAccess): Readonly<Record<string, string>> {
  const proxy = new URL(url);
  [proxy.username, proxy.password] = ['run', token];
  const address = proxy.href.replace(/\/$/, '');
  const proxies = { HTTP_PROXY: address, HTTPS_PROXY: address, NO_PROXY: OWN_HOSTS };
  const small = Object.entries(proxies).map(([name, value]) => [name.toLowerCase(), value]);
  return { ...proxies, ...Object.fromEntries(small), NODE_USE_ENV_PROXY: '1' };
}
