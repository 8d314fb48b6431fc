import { unreachable, UserError, type RunReason } from '@capstan/domain';
import { DEFAULT_PROMPT_TEMPLATE } from './default-template.js';
import { cleanHiddenText } from './hidden-text.js';

export { DEFAULT_PROMPT_TEMPLATE };

export interface PromptTicket {
  readonly title: string;
  readonly body: string;
  readonly url?: string | null;
  readonly comments?: readonly { readonly author: string; readonly body: string }[];
}

export interface PromptInput {
  /** The repository's template; undefined or blank for the default. */
  readonly template?: string | null;
  readonly ticket: PromptTicket;
  /** The repository's own instructions, written by people whom the team trusts. */
  readonly instructions?: string | null;
  readonly reason: RunReason;
  /** Checks that failed; for `ci_failed`. */
  readonly failures?: readonly {
    readonly name: string;
    readonly summary?: string | null;
    readonly url?: string | null;
  }[];
  /** Reviews that ask for changes; for `changes_requested`. */
  readonly reviews?: readonly { readonly author: string; readonly body: string }[];
  /** What people on the team wrote to the task since its last run, oldest first. */
  readonly messages?: readonly string[];
  readonly branch: string;
  readonly base: string;
}

export interface RenderedPrompt {
  readonly text: string;
  /** Hidden pieces removed from tickets, comments, reviews and check output: comments and single characters. */
  readonly hiddenRemoved: number;
}

/** Names that a template may use, as `{{name}}`. */
export const PROMPT_VARIABLES = [
  'ticket',
  'ticket.title',
  'ticket.body',
  'ticket.url',
  'ticket.comments',
  'instructions',
  'situation',
  'failures',
  'branch',
  'base',
] as const;
type PromptVariable = (typeof PROMPT_VARIABLES)[number];

/** Longest text of all comments together, characters; the newest are kept. */
const MAX_COMMENTS_LENGTH = 60_000;
const MAX_BODY_LENGTH = 100_000;
const VARIABLE = /\{\{\s*([^{}]*?)\s*\}\}(\n*)/g;

/** Refuses a template with unknown variables: UserError `prompt_template_invalid`, field `promptTemplate`. */
export function validatePromptTemplate(template: string): void {
  for (const [, name = ''] of template.matchAll(VARIABLE)) {
    if ((PROMPT_VARIABLES as readonly string[]).includes(name)) continue;
    throw new UserError(`the prompt template names an unknown variable {{${name}}}`, {
      code: 'prompt_template_invalid',
      status: 422,
      field: 'promptTemplate',
      remedy: `Use one of: ${PROMPT_VARIABLES.join(', ')}.`,
    });
  }
}

/**
 * The prompt of one run. Whatever strangers may have written is cleaned of hidden text; variables inside it are not
 * expanded. A variable without a value takes the line ends after it along. Pure.
 */
export function renderPrompt(input: PromptInput): RenderedPrompt {
  const template = input.template?.trim() ? input.template : DEFAULT_PROMPT_TEMPLATE;
  validatePromptTemplate(template);
  let hiddenRemoved = 0;
  const clean: Clean = (text, max = MAX_BODY_LENGTH) => {
    const cleaned = cleanHiddenText(text);
    hiddenRemoved += cleaned.comments + cleaned.characters;
    return cleaned.text.length > max ? `${cleaned.text.slice(0, max)}\n[cut]` : cleaned.text.trim();
  };
  const values = promptValues(input, clean);
  const text = template.replace(VARIABLE, (_, name: PromptVariable, lineEnds: string) =>
    values[name] === '' ? '' : values[name] + lineEnds,
  );
  return { text: `${text.trim()}\n`, hiddenRemoved };
}

type Clean = (text: string, max?: number) => string;

function promptValues(input: PromptInput, clean: Clean): Record<PromptVariable, string> {
  const title = clean(input.ticket.title, 1_000).replace(/\s+/g, ' ');
  const body = clean(input.ticket.body);
  const url = input.ticket.url ?? '';
  const comments = commentsText(input.ticket.comments ?? [], clean);
  const failures = failuresText(input.failures ?? [], clean);
  const instructions = input.instructions?.trim() ?? '';
  return {
    ticket: block('ticket', [
      `Title: ${title}`,
      url && `Address: ${url}`,
      body && `\n${body}`,
      comments && `\n${comments}`,
    ]),
    'ticket.title': title,
    'ticket.body': body,
    'ticket.url': url,
    'ticket.comments': comments,
    instructions: instructions && `Instructions of this repository:\n\n${instructions}`,
    situation: joined(situation(input, failures, clean), messagesText(input.messages ?? [], clean)),
    failures,
    branch: input.branch,
    base: input.base,
  };
}

/** Text of others between marks that it can't close itself. */
function block(name: string, parts: readonly string[]): string {
  const inner = parts.filter(Boolean).join('\n');
  return `<${name}>\n${inner.replaceAll(new RegExp(`<(/?\\s*${name}\\s*)>`, 'gi'), '<\\$1>')}\n</${name}>`;
}

function commentsText(comments: NonNullable<PromptTicket['comments']>, clean: Clean): string {
  const kept: string[] = [];
  let length = 0;
  for (const { author, body } of [...comments].reverse()) {
    const cleaned = clean(body);
    // Capstan's own comments are mostly a hidden marker, and say nothing to an agent once it is gone.
    if (cleaned === '') continue;
    const text = `Comment by ${clean(author, 100)}:\n${cleaned}`;
    length += text.length;
    if (length > MAX_COMMENTS_LENGTH) {
      kept.push('[earlier comments left out]');
      break;
    }
    kept.push(text);
  }
  return kept.reverse().join('\n\n');
}

function failuresText(failures: NonNullable<PromptInput['failures']>, clean: Clean): string {
  return failures
    .map(({ name, summary, url }) => {
      const head = `- ${clean(name, 300)}${url ? ` (${url})` : ''}`;
      return summary ? `${head}\n${block('output', [clean(summary, 8_000)])}` : head;
    })
    .join('\n');
}

/** Why this run exists, in words for the agent. */
function situation(input: PromptInput, failures: string, clean: Clean): string {
  const { reason, base } = input;
  switch (reason) {
    case 'initial':
      return '';
    case 'ci_failed':
      return joined('Your pull request is open, and its checks failed. Find the cause and fix it.', failures);
    case 'conflict':
      return `Your pull request conflicts with ${base}. Merge origin/${base} into your branch and resolve the conflicts; keep the intent of both sides.`;
    case 'changes_requested': {
      const reviews = (input.reviews ?? []).map(({ author, body }) =>
        block('review', [`By ${clean(author, 100)}:`, clean(body, 20_000)]),
      );
      return joined('Reviewers asked for changes to your pull request. Make them.', reviews.join('\n'));
    }
    case 'message':
      return 'You have worked on this before; what you committed is on your branch. A person has something to say.';
    case 'retry':
    case 'restart':
      return 'An earlier run did not finish. Its commits, if any, are on your branch: look at them first, then go on.';
    default:
      return unreachable(reason);
  }
}

function messagesText(messages: readonly string[], clean: Clean): string {
  return messages.map((text) => joined('A person on the team says:', clean(text))).join('\n\n');
}

function joined(...parts: readonly string[]): string {
  return parts.filter(Boolean).join('\n\n');
}
