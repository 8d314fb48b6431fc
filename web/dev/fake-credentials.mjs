import { idOf, instant } from './fake-world.mjs';

const MINUTE_MS = 60_000;

/** Credentials in every state. */
export function credentialsOf(world) {
  const [one, other, third] = world.repositories;
  if (one === undefined) return [];
  const need = (repository, agent = null) => ({
    repositoryId: repository.id,
    repository: repository.fullName,
    agent,
  });
  const every = (agent) => world.repositories.map((repository) => need(repository, agent));
  const credential = (name, state, more = {}) => ({
    name,
    state,
    alternatives: [],
    repositoryId: null,
    owner: 'workspace',
    neededBy: [],
    provider: null,
    words: null,
    checkedAt: instant(140),
    lastConclusive: null,
    checking: false,
    nextVerifyAt: instant(100),
    setAt: instant(86_400 * 12),
    checks: [],
    ...more,
  });
  const unset = { checkedAt: null, nextVerifyAt: null, setAt: null };
  return [
    credential('ANTHROPIC_API_KEY', 'missing', {
      ...unset,
      alternatives: ['CLAUDE_CODE_OAUTH_TOKEN'],
      neededBy: every('Claude Code'),
    }),
    credential('MOBILE_TOKEN', 'missing', { ...unset, neededBy: [need(third)] }),
    credential('ANTHROPIC_API_KEY', 'valid', {
      repositoryId: other.id,
      provider: 'Anthropic',
      neededBy: [need(other, 'Claude Code')],
      setAt: instant(86_400 * 3),
    }),
    credential('COPILOT_GITHUB_TOKEN', 'expired', {
      provider: 'GitHub',
      words: 'Bad credentials: the token has expired',
    }),
    credential('GEMINI_API_KEY', 'inconclusive', {
      provider: 'Google',
      words: 'The model is overloaded. Please try again later.',
      lastConclusive: { state: 'valid', at: instant(440) },
      nextVerifyAt: instant(-42),
    }),
    credential('GITHUB_TOKEN', 'scope_too_narrow', {
      provider: 'GitHub',
      neededBy: every(null),
      words: 'permissions: pull; push is needed',
      checks: [
        { subject: one.fullName, state: 'valid', words: 'Expires 2027-01-12 09:00:00 UTC', checkedAt: instant(140) },
        {
          subject: other.fullName,
          state: 'scope_too_narrow',
          words: 'permissions: pull; push is needed',
          checkedAt: instant(140),
        },
        {
          subject: third.fullName,
          state: 'scope_too_narrow',
          words: 'Not Found: GitHub hides what a token may not see',
          checkedAt: instant(140),
        },
      ],
    }),
    credential('OPENAI_API_KEY', 'refused', {
      provider: 'OpenAI',
      words:
        'Incorrect API key provided: ***. You can find your API key at https://platform.openai.com/account/api-keys.',
      neededBy: [need(one, 'Codex')],
    }),
    credential('OPENAI_API_KEY_2', 'unchecked', {
      provider: 'OpenAI',
      checking: true,
      setAt: instant(2),
      checkedAt: null,
    }),
    credential('WEBHOOK_SECRET', 'unchecked', { repositoryId: one.id, checkedAt: null, nextVerifyAt: null }),
    credential('CLAUDE_CODE_OAUTH_TOKEN', 'valid', {
      owner: 'mine',
      provider: 'Anthropic',
      neededBy: [need(other, 'Claude Code')],
      setAt: instant(86_400),
    }),
  ];
}

/** The handlers of the contract's operations about credentials. */
export function credentialHandlers(world, announce, refusal) {
  const isMeant =
    (params, query, owner = 'workspace') =>
    (one) =>
      one.owner === owner &&
      one.state !== 'missing' &&
      one.name === params.name &&
      one.repositoryId === (query.repositoryId ?? null);
  const verify = (params, query, owner) => {
    const found = world.credentials.find(isMeant(params, query, owner));
    if (found === undefined) throw refusal(404, 'secret_not_found', `No secret ${params.name} is set there.`);
    const waitMs = Date.parse(found.nextVerifyAt) - Date.now();
    if (waitMs > 0)
      throw refusal(429, 'too_many_requests', 'The provider was asked within the last minute.', {
        retryAfterMs: waitMs,
      });
    found.checkedAt = instant(0);
    found.nextVerifyAt = new Date(Date.now() + MINUTE_MS).toISOString();
    return found;
  };
  return {
    authStatus: () => ({ items: world.credentials }),
    listSecrets: () => ({
      items: world.credentials
        .filter(({ setAt, owner }) => setAt !== null && owner === 'workspace')
        .map(({ name, repositoryId, setAt }) => ({ name, repositoryId, setAt, version: 1 })),
    }),
    putSecret: ({ params, body }) => {
      const repositoryId = body.repositoryId ?? null;
      const former = world.credentials.find(isMeant(params, { repositoryId }));
      const missing = world.credentials.find(
        ({ state, name, alternatives }) => state === 'missing' && [name, ...alternatives].includes(params.name),
      );
      const setAt = instant(0);
      const secret = { name: params.name, repositoryId, setAt, version: 1 };
      world.credentials = [
        ...world.credentials.filter((one) => one !== former && one !== missing),
        {
          ...(former ?? missing ?? { neededBy: [], provider: null }),
          ...{ name: params.name, alternatives: [], owner: 'workspace', repositoryId },
          ...{ state: 'unchecked', words: null, checkedAt: null, lastConclusive: null, checking: false, checks: [] },
          ...{ nextVerifyAt: null, setAt },
        },
      ];
      announce({ kind: 'secret', id: idOf('secret'), version: 1, taskId: null });
      return secret;
    },
    deleteSecret: ({ params, query }) => {
      const isGone = isMeant(params, query);
      world.credentials = world.credentials.filter((one) => !isGone(one));
    },
    verifySecret: ({ params, query }) => verify(params, query, 'workspace'),
    verifyOwnSecret: ({ params }) => verify(params, {}, 'mine'),
    putOwnSecret: ({ params }) => {
      const former = world.credentials.find(isMeant(params, {}, 'mine'));
      const setAt = instant(0);
      world.credentials = [
        ...world.credentials.filter((one) => one !== former),
        {
          ...(former ?? { neededBy: [], provider: null }),
          ...{ name: params.name, alternatives: [], owner: 'mine', repositoryId: null },
          ...{ state: 'unchecked', words: null, checkedAt: null, lastConclusive: null, checking: false, checks: [] },
          ...{ nextVerifyAt: null, setAt },
        },
      ];
      announce({ kind: 'secret', id: idOf('secret'), version: 1, taskId: null });
      return { name: params.name, setAt, version: 1 };
    },
    deleteOwnSecret: ({ params }) => {
      const isGone = isMeant(params, {}, 'mine');
      world.credentials = world.credentials.filter((one) => !isGone(one));
    },
    listModelOrders: () => ({ items: Object.values(ordersOf(world)) }),
    putModelOrder: ({ params: { protocol }, body: { entries } }) => {
      const index = entries.findIndex(({ baseUrl }) => /^http:\/\/(?!localhost|127\.)/.test(baseUrl ?? ''));
      const field = `entries.${index}.baseUrl`;
      if (index >= 0)
        throw refusal(422, 'model_order_invalid', `Step ${index + 1}: the key would be sent in the clear`, {
          field,
          issues: [{ field, message: 'the key would be sent in the clear' }],
          remedy: 'Use an https address; http is for this machine alone.',
        });
      return (ordersOf(world)[protocol] = { protocol, entries, unset: [], changedAt: instant(0) });
    },
  };
}

/** One order in use, two that were never set. */
function ordersOf(world) {
  const none = (protocol) => ({ protocol, entries: [], unset: [], changedAt: null });
  world.orders ??= {
    anthropic: {
      protocol: 'anthropic',
      entries: [
        { kind: 'key', secret: 'CLAUDE_CODE_OAUTH_TOKEN' },
        { kind: 'key', secret: 'ANTHROPIC_API_KEY_2' },
        {
          kind: 'compatible',
          baseUrl: 'https://openrouter.ai/api/v1',
          secret: 'OPENROUTER_API_KEY',
          models: { 'claude-sonnet-4-5': 'anthropic/claude-sonnet-4.5', '*': 'anthropic/claude-haiku-4.5' },
        },
      ],
      unset: ['ANTHROPIC_API_KEY_2'],
      changedAt: instant(7_200),
    },
    openai: none('openai'),
    gemini: none('gemini'),
  };
  return world.orders;
}
