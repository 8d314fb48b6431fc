import { isIP } from 'node:net';

/** Which hosts a line of an allow-list means. */
export interface HostRule {
  /** Lower case; without the `*.` of a wildcard, without the brackets of an IPv6 address. */
  readonly host: string;
  /** Any host below, not the host itself. */
  readonly below: boolean;
  /** Null: the ports of the web. */
  readonly port: number | null;
}

/** A host and port as a request names them. */
export interface HostPort {
  /** Lower case, in ASCII; an IP address in its one usual spelling, without brackets. */
  readonly host: string;
  readonly port: number;
}

const WEB_PORTS: readonly number[] = [80, 443];
const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?';
const RULE = new RegExp(`^(\\*\\.)?((?:${LABEL}\\.)*${LABEL}|\\[[0-9a-f:.]+\\])(?::([1-9]\\d{0,4}))?$`);

/** Reads lines such as `example.com`, `*.example.com` and `example.com:8443`; empty ones are nothing. */
export function hostRules(lines: readonly string[]): {
  readonly rules: readonly HostRule[];
  readonly faults: readonly string[];
} {
  const rules: HostRule[] = [];
  const faults: string[] = [];
  for (const line of lines.map((each) => each.trim().toLowerCase()).filter(Boolean)) {
    const [, wildcard, name, port] = RULE.exec(line) ?? [];
    if (name === undefined || Number(port ?? 1) > 65_535) faults.push(line);
    else
      rules.push({ host: bare(name), below: wildcard !== undefined, port: port === undefined ? null : Number(port) });
  }
  return { rules, faults };
}

/** Whether a rule means this host and port. */
export function isMeant(rule: HostRule, { host, port }: HostPort): boolean {
  return isHostMeant(rule, host) && (rule.port === null ? WEB_PORTS.includes(port) : rule.port === port);
}

/** Whether a rule means this host on any port. An address is below nothing, whatever its digits end in. */
export function isHostMeant(rule: HostRule, host: string): boolean {
  return rule.below ? isIP(host) === 0 && host.endsWith(`.${rule.host}`) : host === rule.host;
}

/** Where a URL of the web leads. Canonical by the URL already; a host that can't be read is one that can't be reached. */
export function urlHostPort(url: URL): HostPort {
  return hostPort(url.host, url.protocol === 'https:' ? 443 : 80) ?? { host: url.hostname, port: 0 };
}

/**
 * Reads `host:port` as a browser reads it, so that every spelling of an IP address (hexadecimal, octal, one number) is
 * the one usual spelling afterwards. Null for anything else.
 */
export function hostPort(authority: string, defaultPort?: number): HostPort | null {
  const port = /:(\d{1,5})$/.exec(authority)?.[1] ?? defaultPort;
  if (port === undefined || !/^[^\s/?#@\\]+$/.test(authority) || !URL.canParse(`http://${authority}`)) return null;
  const { hostname } = new URL(`http://${authority}`);
  const host = bare(hostname).replace(/\.$/, '');
  const number = Number(port);
  return host === '' || host.length > 253 || number < 1 || number > 65_535 ? null : { host, port: number };
}

/** For people and for a Host header: IPv6 addresses in brackets. */
export function shownHost({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}
