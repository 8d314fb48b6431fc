import { UserError } from '@capstan/domain';
import type { AgentAdapter, AgentCommand, AgentInvocation } from '../agent.port.js';
import { cliSettings } from '../cli/cli-settings.schema.js';
import { modelAddress } from '../cli/model-address.js';
import { OPENAI_HOSTS } from '../cli/provider-hosts.js';
import { agentEnvironment } from '../environment.js';
import { API_KEY, codexConfig } from './codex-config.js';
import { judgeCodex } from './codex.judgement.js';
import { initialCodex, parseCodex } from './codex.parser.js';
import { codexProgram } from './codex.program.js';

const settingsOf = cliSettings('codex', [API_KEY]);

/** Codex in its non-interactive form, `codex exec`: one process per run, which nobody can speak to once it works. */
export const codexAgent: AgentAdapter = {
  name: 'codex',
  title: 'Codex',
  program: codexProgram,
  credentials: [API_KEY],
  hosts: OPENAI_HOSTS,
  validate(settings) {
    settingsOf(settings);
  },
  command: buildCommand,
  steering: () => ({ message: null, interrupt: null }),
  initial: (settings, former) => initialCodex(settingsOf(settings), former),
  parse: parseCodex,
  judge: judgeCodex,
};

function buildCommand(invocation: AgentInvocation): AgentCommand {
  const { home, prompt, resumeSession, secrets } = invocation;
  const { model, baseUrl } = settingsOf(invocation.settings);
  const key = secrets[API_KEY];
  // Codex itself would tell of it only once it works, and in words alone.
  if (key === undefined)
    throw new UserError(`Codex needs ${API_KEY}`, {
      code: 'credential_missing',
      field: API_KEY,
      remedy: `Set ${API_KEY} under Settings → Secrets.`,
    });
  return {
    argv: [
      'codex',
      'exec',
      ...(resumeSession === undefined ? [] : ['resume']),
      '--json',
      // What an agent may do is decided by the boundary around it. Codex's own sandbox would leave files writable and
      // .git not, so that no commit succeeds in a run that ends well.
      '--dangerously-bypass-approvals-and-sandbox',
      ...(resumeSession === undefined ? [] : [resumeSession]),
      '-',
    ],
    env: {
      ...agentEnvironment(invocation),
      [API_KEY]: key,
      CODEX_HOME: `${home}/.codex`,
      // Codex refuses to place its helper programs in a home below the directory for temporary files.
      TMPDIR: `${home}/.tmp`,
    },
    stdin: prompt,
    files: {
      [`${home}/.codex/config.toml`]: codexConfig({
        model,
        baseUrl: modelAddress(invocation, 'openai', { baseUrl }),
      }),
      [`${home}/.tmp/README`]: 'Temporary files of the agent.\n',
    },
  };
}
