import { UserError } from '@capstan/domain';
import type { AgentAdapter, AgentCommand, AgentInvocation, Steering } from '../agent.port.js';
import { cliSettings } from '../cli/cli-settings.schema.js';
import { modelAddress } from '../cli/model-address.js';
import { ANTHROPIC_HOSTS } from '../cli/provider-hosts.js';
import { agentEnvironment } from '../environment.js';
import { judgeClaude } from './claude.judgement.js';
import { parseClaude } from './claude.parser.js';
import { claudeProgram } from './claude.program.js';

const API_KEY = 'ANTHROPIC_API_KEY';
const OAUTH_TOKEN = 'CLAUDE_CODE_OAUTH_TOKEN';
/** Which of the two to use where both are set. */
const AUTH_MODE = 'CLAUDE_AUTH_MODE';
const MODES: Readonly<Record<string, string>> = { 'api-key': API_KEY, 'oauth-token': OAUTH_TOKEN };

const settingsOf = cliSettings('claude-code', [API_KEY, OAUTH_TOKEN, AUTH_MODE]);

/** Claude Code, in its headless form: one process per run, told by lines on its stdin, heard by lines on its stdout. */
export const claudeCodeAgent: AgentAdapter = {
  name: 'claude-code',
  title: 'Claude Code',
  program: claudeProgram,
  credentials: [API_KEY, OAUTH_TOKEN],
  options: [AUTH_MODE],
  hosts: ANTHROPIC_HOSTS,
  takes(_, choices) {
    const wanted = MODES[choices[AUTH_MODE] ?? ''];
    return wanted === undefined ? [API_KEY, OAUTH_TOKEN] : [wanted];
  },
  validate(settings) {
    settingsOf(settings);
  },
  command: buildCommand,
  steering: () => BY_LINES,
  initial: () => ({ facts: {} }),
  parse: parseClaude,
  judge: judgeClaude,
};

const BY_LINES: Steering = {
  message: (id, text) => userLine(text, id),
  interrupt: (id) => JSON.stringify({ type: 'control_request', request_id: id, request: { subtype: 'interrupt' } }),
};

function userLine(text: string, uuid?: string): string {
  return JSON.stringify({
    type: 'user',
    message: { role: 'user', content: [{ type: 'text', text }] },
    parent_tool_use_id: null,
    session_id: '',
    ...(uuid !== undefined && { uuid }),
  });
}

function buildCommand(invocation: AgentInvocation): AgentCommand {
  const { prompt, limits, secrets, resumeSession } = invocation;
  const { model, baseUrl } = settingsOf(invocation.settings);
  const address = modelAddress(invocation, 'anthropic', { baseUrl });
  return {
    argv: [
      'claude',
      '--print',
      ...['--input-format', 'stream-json'],
      ...['--output-format', 'stream-json', '--verbose'],
      ...(model === undefined ? [] : ['--model', model]),
      ...['--max-turns', String(limits.maxTurns)],
      ...['--max-budget-usd', String(limits.maxCostUsd)],
      // What an agent may do is decided by the boundary around it, not by questions that nobody is there to answer.
      '--dangerously-skip-permissions',
      ...(resumeSession === undefined ? [] : ['--resume', resumeSession]),
    ],
    env: {
      ...agentEnvironment(invocation),
      ...credential(secrets),
      ...(address !== undefined && { ANTHROPIC_BASE_URL: address }),
      // Without it the CLI refuses to skip permissions as root, which it is in many containers.
      IS_SANDBOX: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_TELEMETRY: '1',
      DISABLE_ERROR_REPORTING: '1',
    },
    stdin: `${userLine(prompt)}\n`,
    keepStdinOpen: true,
  };
}

/** The one credential that the run uses: two at once would leave it to the CLI whose account pays. */
function credential(secrets: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const mode = secrets[AUTH_MODE];
  const wanted = mode === undefined ? undefined : MODES[mode];
  if (mode !== undefined && wanted === undefined)
    throw new UserError(`The secret ${AUTH_MODE} is neither ${Object.keys(MODES).join(' nor ')}`, {
      code: 'agent_settings_invalid',
      field: AUTH_MODE,
      remedy: `Set ${AUTH_MODE} under Settings → Secrets to one of the two, or remove it.`,
    });
  const name = wanted ?? (secrets[API_KEY] === undefined ? OAUTH_TOKEN : API_KEY);
  const value = secrets[name];
  if (value === undefined)
    throw new UserError(`Claude Code needs ${name}${mode === undefined ? '' : `, for ${AUTH_MODE} is ${mode}`}`, {
      code: 'credential_missing',
      field: name,
      remedy: `Set ${name} under Settings → Secrets.`,
    });
  return { [name]: value };
}
