import type { ChatCompletionRequest, ChatMessage, FixtureResponse, LLMock, ToolDefinition } from '@copilotkit/aimock';

/** Names under which the agents offer a shell, and how its command is handed over. */
const SHELLS: Readonly<Record<string, (command: string) => object>> = {
  Bash: (command) => ({ command, description: 'Do the work' }),
  bash: (command) => ({ command, description: 'Do the work' }),
  exec_command: (cmd) => ({ cmd }),
  run_shell_command: (command) => ({ command, description: 'Do the work' }),
};

/** What each answer that is part of the work is said to have used. */
export const TOKENS_PER_ANSWER = { input: 1_000, output: 50 } as const;
const usage = {
  prompt_tokens: TOKENS_PER_ANSWER.input,
  completion_tokens: TOKENS_PER_ANSWER.output,
  total_tokens: TOKENS_PER_ANSWER.input + TOKENS_PER_ANSWER.output,
};

/** One answer of the model: a command that it has run, a tool that it calls by name, or a refusal in its place. */
export type Answer =
  | string
  | { readonly tool: string; readonly input: object }
  | { readonly status: number; readonly message: string; readonly retryAfterSeconds?: number };
/** A function is asked with each call: its answer may be held back until something has happened, or be another one then. */
export type Step = Answer | (() => Answer | Promise<Answer>);

/** What the model makes of a prompt: its answers, in order. After the last one it says that it is done. */
export type Script = (prompt: string) => string | readonly Step[];

/**
 * A model endpoint in the languages of all providers, whose model follows a script: it answers step by step, each after
 * it has seen what came of the one before.
 */
export class ScriptedModel {
  private constructor(
    private readonly mock: LLMock,
    /** Prompts that were answered, in order; again where the first answer was asked for again. */
    readonly prompts: readonly string[],
  ) {}

  /** @param pace how an answer is streamed: pieces of so many characters, each so much after the last. Default: at once. */
  static async start(
    script: Script,
    pace: { readonly chunkSize?: number; readonly latency?: number } = {},
  ): Promise<ScriptedModel> {
    const prompts: string[] = [];
    // Loaded only where there is a model to be: the demo's usual agent needs none.
    const { LLMock } = await import('@copilotkit/aimock');
    const mock = new LLMock({ port: 0, logLevel: 'silent' });
    mock.on({ predicate: () => true }, (request) => answer(request, script, prompts), pace);
    await mock.start();
    return new ScriptedModel(mock, prompts);
  }

  get url(): string {
    return this.mock.url;
  }

  stop(): Promise<void> {
    return this.mock.stop();
  }
}

async function answer(request: ChatCompletionRequest, script: Script, prompts: string[]): Promise<FixtureResponse> {
  const shell = request.tools?.map(nameOf).find((name) => name in SHELLS);
  // Agents ask for titles and summaries besides, and give no tools to those who answer.
  if (shell === undefined) return { content: 'A title' };
  const at = request.messages.findLastIndex((_, index) => isPrompt(request.messages, index));
  const prompt = textOf(request.messages[at]);
  const done = request.messages.slice(at).filter(({ role }) => role === 'tool').length;
  if (done === 0) prompts.push(prompt);
  const next = [script(prompt)].flat()[done];
  const step = typeof next === 'function' ? await next() : next;
  if (step === undefined) return { content: 'Done.', reasoning: 'The work is there.', usage };
  if (typeof step === 'object' && 'status' in step) return refusal(step);
  const [name, input] = typeof step === 'string' ? [shell, SHELLS[shell]!(step)] : [step.tool, step.input];
  return { toolCalls: [{ name, arguments: JSON.stringify(input) }], reasoning: 'One call will do.', usage };
}

/** What people say to an agent at work comes beside a tool's result; a prompt never does. */
function isPrompt(messages: readonly ChatMessage[], index: number): boolean {
  if (messages[index]?.role !== 'user') return false;
  const from = messages.slice(0, index).findLastIndex(({ role }) => role === 'assistant') + 1;
  const length = messages.slice(from).findIndex(({ role }) => role === 'assistant');
  const together = messages.slice(from, length < 0 ? undefined : from + length);
  return !together.some(({ role }) => role === 'tool');
}

function refusal({ status, message, retryAfterSeconds }: Extract<Answer, { status: number }>): FixtureResponse {
  const type = status === 529 ? 'overloaded_error' : status === 429 ? 'rate_limit_error' : 'api_error';
  return {
    ...{ status, error: { message, type } },
    ...(retryAfterSeconds !== undefined && { retryAfter: retryAfterSeconds }),
  };
}

/** Tools that aren't functions of the usual form come through as the agent sent them. */
function nameOf(tool: ToolDefinition | { readonly name?: string }): string {
  return 'function' in tool ? (tool.function?.name ?? '') : ('name' in tool && tool.name) || '';
}

function textOf(message: ChatMessage | undefined): string {
  const content = message?.content ?? '';
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n');
}
