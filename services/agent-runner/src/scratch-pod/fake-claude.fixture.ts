import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** What it does when it is asked for its version, or for anything else. */
export type FakeMode = 'answers' | 'hangs' | 'crashes';

/** Claude Code's tongue, as far as a run needs it: one call to its model, and what came of it. */
const script = (version: string, mode: FakeMode): string => `#!/usr/bin/env node
const say = (event) => process.stdout.write(JSON.stringify(event) + '\\n');
const main = async () => {
  if (process.argv.includes('--version')) return console.log('${version} (Claude Code)');
  say({ type: 'system', subtype: 'init', session_id: 'fake', model: 'claude-fake', home: process.env.HOME });
  const answer = await fetch(process.env.ANTHROPIC_BASE_URL + '/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': process.env.ANTHROPIC_API_KEY ?? process.env.CLAUDE_CODE_OAUTH_TOKEN },
    body: '{"model":"claude-fake"}',
  });
  const text = await answer.text();
  if (answer.status !== 200) {
    say({ type: 'assistant', message: { content: [{ type: 'text', text }] }, error: 'authentication_failed' });
    say({ type: 'result', subtype: 'success', is_error: true, result: text, api_error_status: answer.status });
    process.exit(1);
  }
  say({ type: 'assistant', message: { id: 'm', model: 'claude-fake', content: [{ type: 'text', text: JSON.parse(text).text }] } });
  const usage = { inputTokens: 10, outputTokens: 1, cacheReadInputTokens: 0, cacheCreationInputTokens: 0, costUSD: 0.0125 };
  say({ type: 'result', subtype: 'success', is_error: false, result: 'OK', num_turns: 1, model_usage_since_last_result: { 'claude-fake': usage } });
  // As the real one: it waits for more until its stdin is closed.
  for await (const _ of process.stdin);
};
${mode === 'hangs' ? 'setInterval(() => undefined, 1000);' : mode === 'crashes' ? "console.error('no such library'); process.exit(7);" : 'main();'}
`;

/** Programs on a search path of their own, before everything else that is on it. */
export class FakePrograms {
  readonly directory = mkdtempSync(join(tmpdir(), 'capstan-programs-'));
  private readonly former = process.env['PATH'];

  constructor() {
    // The local runtime looks where this process does.
    process.env['PATH'] = [this.bin, this.former].join(delimiter);
  }

  get bin(): string {
    return join(this.directory, 'bin');
  }

  /** Writes a program; `text` in place of the script of Claude Code's double. */
  install(
    name: string,
    { version = '2.1.329', mode = 'answers', text }: { version?: string; mode?: FakeMode; text?: string } = {},
  ): string {
    mkdirSync(this.bin, { recursive: true });
    const file = join(this.bin, name);
    rmSync(file, { force: true });
    writeFileSync(file, text ?? script(version, mode));
    chmodSync(file, 0o755);
    return file;
  }

  remove(name: string): void {
    rmSync(join(this.bin, name), { force: true });
  }

  close(): void {
    process.env['PATH'] = this.former;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
