import { Demo } from './demo.js';
import { DemoUsageError, demoConfig } from './demo.config.js';
import { Narrator } from './narrator.js';

const USAGE = `npm run demo [-- --once] [--agent NAME]

Carries a ticket to a merged pull request on this machine: a demo forge with a small broken package, a scripted agent,
and the whole of Capstan between them. It then stays up until Ctrl-C.

  --once         stop everything after the merge and print the result as one line of JSON
  --agent NAME   a real agent program instead of the script: claude-code, codex, opencode, gemini or copilot. It is
                 installed once (1.4 GB for all). With its provider's key in the environment (ANTHROPIC_API_KEY,
                 OPENAI_API_KEY, GEMINI_API_KEY, COPILOT_GITHUB_TOKEN) the provider's model works, and costs money;
                 without one a scripted model on this machine does.
`;

async function main(): Promise<number> {
  const config = demoConfig(process.argv.slice(2));
  if (config.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const narrator = new Narrator(config.colour);
  const demo = new Demo(config, narrator);
  const interrupted = new Promise<'interrupted'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve('interrupted'));
  });
  try {
    const result = await Promise.race([demo.run(), interrupted]);
    if (result === 'interrupted') return 130;
    if (!config.once) {
      narrator.headline('Merged.');
      narrator.plain(`  ${result.pullRequestUrl}`);
      narrator.plain('  Everything stays up until Ctrl-C: file further issues, or look around in the dashboard.');
      await interrupted;
      return 0;
    }
    await demo.stop();
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(
      `\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\nLog: ${demo.logFile}\n`,
    );
    return 1;
  } finally {
    await demo.stop().catch((error: unknown) => process.stderr.write(`Stopping: ${String(error)}\n`));
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof DemoUsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
