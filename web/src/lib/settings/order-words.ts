import type { ModelOrder } from '../api/types.ts';

export type OrderEntry = ModelOrder['entries'][number];
export type Protocol = ModelOrder['protocol'];

const TITLES: Readonly<Record<string, string>> = { anthropic: 'Anthropic', openai: 'OpenAI', gemini: 'Google' };

export const PROTOCOLS: readonly { readonly value: Protocol; readonly label: string }[] = [
  { value: 'anthropic', label: 'Anthropic' },
  { value: 'openai', label: 'OpenAI' },
  { value: 'gemini', label: 'Gemini' },
];

/** Names that can be steps of their own; further ones end in _2 to _9. */
export const KEY_NAMES: Readonly<Record<Protocol, readonly string[]>> = {
  anthropic: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'],
  openai: ['OPENAI_API_KEY'],
  gemini: ['GEMINI_API_KEY'],
};

/** Who answers, as people know them; a compatible provider by its host. */
export function providerTitle(provider: string): string {
  return TITLES[provider] ?? provider;
}

/** What a step is, in a few words. */
export function entryWords(entry: OrderEntry, protocol: Protocol): string {
  if (entry.kind === 'key')
    return entry.secret.startsWith('CLAUDE_CODE_OAUTH_TOKEN')
      ? `${providerTitle(protocol)}, an account`
      : `${providerTitle(protocol)}, a key`;
  const names = Object.entries(entry.models ?? {}).map(
    ([asked, there]) => `${asked === '*' ? 'others' : asked} → ${there}`,
  );
  return names.length === 0 ? 'the same models' : names.join(', ');
}

/** Lines `claude-x = vendor/claude-x`. What is no such line comes back as the first fault. */
export function modelsIn(
  text: string,
): { readonly models: Readonly<Record<string, string>> } | { readonly fault: string } {
  const models: Record<string, string> = {};
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '') continue;
    const [asked = '', there = '', more] = line.split('=').map((each) => each.trim());
    if (asked === '' || there === '' || more !== undefined)
      return { fault: `“${line}” is not of the form asked = there` };
    models[asked] = there;
  }
  return { models };
}

/** The entries with one moved by a place; as they are where there is no such place. */
export function moved(entries: readonly OrderEntry[], index: number, by: -1 | 1): readonly OrderEntry[] {
  const to = index + by;
  if (entries[index] === undefined || entries[to] === undefined) return entries;
  const result = [...entries];
  [result[index], result[to]] = [entries[to], entries[index]];
  return result;
}
