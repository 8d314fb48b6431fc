import { AGENT_CHOICES, knownCredential } from '@capstan/agents';
import type { ModelOrderEntry } from '@capstan/api';
import { decideAddress, type AddressFault } from '@capstan/service-kit';
import { WEBHOOK_SECRET } from '../repositories/repositories.reader.js';
import type { OrderSnapshot } from './model-order.snapshot.js';

/** What is wrong with an order, where, and what helps. */
interface OrderFault {
  /** From 1, as people count. */
  readonly step: number;
  readonly field: string;
  readonly reason: string;
  readonly remedy: string;
}

/** The first fault of an order; null: it can be kept. */
export function decideModelOrder(order: OrderSnapshot): OrderFault | null {
  const seen = new Set<string>();
  for (const [index, entry] of order.entries.entries()) {
    const step = index + 1;
    const at = `entries.${index}`;
    const same = entry.kind === 'key' ? entry.secret : `${entry.baseUrl} ${entry.secret}`;
    if (seen.has(same))
      return {
        step,
        field: at,
        reason: `${entry.secret} is there twice`,
        remedy: 'Name each step once, where it comes first.',
      };
    seen.add(same);
    const fault = entry.kind === 'key' ? keyFault(order, entry, at) : placeFault(order, entry, at);
    if (fault !== null) return { step, ...fault };
  }
  return null;
}

type Fault = Omit<OrderFault, 'step'>;

function keyFault({ protocol }: OrderSnapshot, { secret }: ModelOrderEntry, at: string): Fault | null {
  if (knownCredential(secret)?.provider === protocol) return null;
  return {
    field: `${at}.secret`,
    reason: `${secret} is no key or account of ${TITLES[protocol]}`,
    remedy: `Name one of ${NAMES[protocol]}, further ones with _2 to _9, or add the provider that it is for as a compatible one.`,
  };
}

type Place = Extract<ModelOrderEntry, { kind: 'compatible' }>;

function placeFault(order: OrderSnapshot, entry: Place, at: string): Fault | null {
  return secretFault(order, entry, at) ?? addressFault(order, entry, at) ?? modelFault(order, entry, at);
}

/** A key that is good elsewhere never goes to a compatible provider. */
function secretFault({ reserved }: OrderSnapshot, { secret }: Place, at: string): Fault | null {
  const known = knownCredential(secret);
  const whose = known?.title ?? (reserved.has(secret) || secret === WEBHOOK_SECRET ? 'a forge or tracker' : undefined);
  if (whose === undefined && !AGENT_CHOICES.includes(secret)) return null;
  return {
    field: `${at}.secret`,
    reason: `${secret} is ${whose === undefined ? 'a choice and no key' : `for ${whose}, and goes to nobody else`}`,
    remedy: 'Set the key of this provider as a secret of its own, such as OPENROUTER_API_KEY, and name that.',
  };
}

function addressFault({ places, own }: OrderSnapshot, { baseUrl }: Place, at: string): Fault | null {
  const field = `${at}.baseUrl`;
  const url = new URL(baseUrl);
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    return { field, reason: 'the address holds more than a place', remedy: 'Leave user, password and #… out of it.' };
  if (url.protocol !== 'https:' && !isLoopback(url.hostname))
    return {
      field,
      reason: 'the key would be sent in the clear',
      remedy: 'Use an https address; http is for this machine alone.',
    };
  const sight = places.get(url.hostname) ?? { error: 'it was not looked up' };
  if ('error' in sight || sight.addresses.length === 0)
    return {
      field,
      reason: `${url.hostname} can't be found: ${'error' in sight ? sight.error : 'the name has no address'}`,
      remedy: 'Check the name, and that the name servers of this machine know it.',
    };
  const faults = sight.addresses.map((address) => decideAddress(address, 'private', own));
  const fault = faults.includes(null) ? null : faults[0]!;
  return fault === null
    ? null
    : {
        field,
        reason: `${url.hostname} ${ADDRESS_WORDS[fault]}`,
        remedy: 'Name a host that agents may be answered by.',
      };
}

function modelFault({ protocol }: OrderSnapshot, { models }: Place, at: string): Fault | null {
  if (models === undefined) return null;
  const wrong = Object.entries(models).find(
    ([, there]) => there === '*' || (protocol === 'gemini' && /[/:]/.test(there)),
  );
  if (wrong === undefined) return null;
  return {
    field: `${at}.models.${wrong[0]}`,
    reason: `${wrong[1]} can't be asked for`,
    remedy:
      wrong[1] === '*'
        ? 'The star stands for every other model that is asked for; name the one that answers instead.'
        : 'Gemini’s protocol has the name in its path: one without / and : is needed.',
  };
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

const ADDRESS_WORDS: Readonly<Record<AddressFault, string>> = {
  address_metadata: 'leads to a link-local or metadata address, which nothing may reach',
  address_own: 'leads to this machine itself',
  address_private: 'leads to an address that nothing can be reached at',
};

const TITLES = { anthropic: 'Anthropic', openai: 'OpenAI', gemini: 'Google' } as const;
const NAMES = {
  anthropic: 'ANTHROPIC_API_KEY and CLAUDE_CODE_OAUTH_TOKEN',
  openai: 'OPENAI_API_KEY',
  gemini: 'GEMINI_API_KEY',
} as const;
