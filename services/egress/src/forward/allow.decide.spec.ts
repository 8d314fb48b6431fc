import fc from 'fast-check';
import { decideHost } from './allow.decide.js';
import { defaultRules } from './default-hosts.js';
import { hostPort, hostRules } from './host-rule.js';

const rules = (...lines: string[]) => hostRules(lines).rules;
const reason = (authority: string, ...lines: string[]) =>
  decideHost(hostPort(authority)!, rules(...lines))?.reason ?? 'allowed';

it.each([
  ['example.com:443', ['example.com'], 'allowed'],
  ['example.com:80', ['example.com'], 'allowed'],
  ['EXAMPLE.com.:443', ['Example.COM'], 'allowed'],
  ['example.com:8443', ['example.com'], 'port_blocked'],
  ['example.com:8443', ['example.com:8443'], 'allowed'],
  ['example.com:443', ['example.com:8443'], 'port_blocked'],
  ['sub.example.com:443', ['example.com'], 'host_blocked'],
  ['example.com:443', ['*.example.com'], 'host_blocked'],
  ['a.b.example.com:443', ['*.example.com'], 'allowed'],
  ['notexample.com:443', ['*.example.com', 'example.com'], 'host_blocked'],
  ['example.com.evil.test:443', ['example.com', '*.example.com'], 'host_blocked'],
  ['127.0.0.1:443', ['*.0.0.1', '*.1'], 'host_blocked'],
  ['[::1]:443', ['[::1]'], 'allowed'],
  ['bücher.example:443', ['xn--bcher-kva.example'], 'allowed'],
  ['registry:5000', ['registry:5000'], 'allowed'],
] as const)('%s with %j is %s', (authority, lines, expected) => {
  expect(reason(authority, ...lines)).toBe(expected);
});

it.each(['127.1:80', '0x7f000001:80', '2130706433:80', '0177.0.0.1:80', '127.0.0.1:80'])(
  'reads %s as the one address that it is',
  (authority) => {
    expect(hostPort(authority)).toEqual({ host: '127.0.0.1', port: 80 });
  },
);

it.each([
  ...['', ':443', 'example.com', 'example.com:0', 'example.com:65536', 'example.com:https', 'a b:80', 'a/b:80'],
  ...[
    'user@example.com:443',
    'a\\b:80',
    'a?b:80',
    'a#b:80',
    '[::1%25lo]:80',
    'example.com:44:3',
    `${'x'.repeat(254)}:1`,
  ],
])('%j is no host and port', (authority) => {
  expect(hostPort(authority)).toBeNull();
});

it.each([
  '*',
  '*.',
  'http://example.com',
  'example.com/x',
  'a*.example.com',
  '*.*.example.com',
  'x:0',
  'x:99999',
  'a b',
])('refuses the line %j', (line) => {
  expect(hostRules([line])).toEqual({ rules: [], faults: [line] });
});

it('says which host is blocked, why, and who can allow it', () => {
  const refusal = decideHost({ host: 'paste.example', port: 443 }, rules())!;
  expect(refusal.status).toBe(403);
  for (const word of ['paste.example:443', 'package registry', 'egress hosts']) expect(refusal.words).toContain(word);
});

it('never allows a host that no line ends with, whatever is asked for', () => {
  const name = fc.domain();
  fc.assert(
    fc.property(name, name, fc.integer({ min: 1, max: 65_535 }), fc.boolean(), (asked, allowed, port, below) => {
      const verdict = decideHost({ host: asked, port }, rules(`${below ? '*.' : ''}${allowed}`));
      const meant = below ? asked.endsWith(`.${allowed}`) : asked === allowed;
      expect(verdict === null).toBe(meant && (port === 80 || port === 443));
    }),
  );
});

describe('the default list', () => {
  const asked = (host: string, agent: string) => decideHost({ host, port: 443 }, defaultRules(agent)) === null;

  it.each([
    'registry.npmjs.org',
    'pypi.org',
    'static.crates.io',
    'proxy.golang.org',
    'repo1.maven.org',
    'rubygems.org',
  ])('has %s for every agent', (host) => {
    for (const agent of ['claude-code', 'codex', 'gemini', 'copilot', 'opencode', 'command', 'one of tomorrow'])
      expect(asked(host, agent)).toBe(true);
  });

  it('has the provider of an agent, and of no other', () => {
    expect(asked('api.anthropic.com', 'claude-code')).toBe(true);
    expect(asked('api.openai.com', 'claude-code')).toBe(false);
    expect(asked('api.individual.githubcopilot.com', 'copilot')).toBe(true);
    expect(asked('api.github.com', 'codex')).toBe(false);
  });

  it('has no place that takes files from anybody', () => {
    for (const host of ['github.com', 'gist.github.com', 'storage.googleapis.com', 's3.amazonaws.com', 'pastebin.com'])
      for (const agent of ['claude-code', 'codex', 'gemini', 'opencode', 'command'])
        expect(asked(host, agent)).toBe(false);
  });
});
