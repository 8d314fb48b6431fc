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

/** What the model makes of a prompt: the command that it has run. */
export type Script = (prompt: string) => string;

/**
 * A model endpoint in the languages of all providers, whose model follows a script: it has one command run, and when it
 * has seen what came of that, it says that it is done.
 */
export class ScriptedModel {
  private constructor(
    private readonly mock: LLMock,
    /** Prompts that were answered, in order; each once. */
    readonly prompts: readonly string[],
  ) {}

  static async start(script: Script): Promise<ScriptedModel> {
    const prompts: string[] = [];
    // Loaded only where there is a model to be: the demo's usual agent needs none.
    const { LLMock } = await import('@copilotkit/aimock');
    const mock = new LLMock({ port: 0, logLevel: 'silent' });
    mock.on({ predicate: () => true }, (request) => answer(request, script, prompts));
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

function answer(request: ChatCompletionRequest, script: Script, prompts: string[]): FixtureResponse {
  const shell = request.tools?.map(nameOf).find((name) => name in SHELLS);
  // Agents ask for titles and summaries besides, and give no tools to those who answer.
  if (shell === undefined) return { content: 'A title' };
  // What people said meanwhile comes beside the tool's result.
  const since = request.messages.slice(request.messages.findLastIndex(({ role }) => role === 'assistant') + 1);
  if (since.some(({ role }) => role === 'tool')) return { content: 'Done.', reasoning: 'The work is there.', usage };
  const prompt = textOf(request.messages.findLast(({ role }) => role === 'user'));
  prompts.push(prompt);
  return {
    toolCalls: [{ name: shell, arguments: JSON.stringify(SHELLS[shell]!(script(prompt))) }],
    reasoning: 'One command will do.',
    usage,
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
