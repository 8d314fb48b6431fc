import { UserError } from '@capstan/domain';
import type { AgentAdapter, AgentCommand, AgentInvocation, AgentSettings } from '../agent.port.js';
import { cliSettings, type CliSettings } from '../cli/cli-settings.schema.js';
import { modelAddress } from '../cli/model-address.js';
import { agentEnvironment } from '../environment.js';
import { judgeCopilot, type CopilotFacts } from './copilot.judgement.js';
import { parseCopilot } from './copilot.parser.js';
import { copilotProgram } from './copilot.program.js';

const GITHUB_TOKEN = 'COPILOT_GITHUB_TOKEN';
/** For a model endpoint instead of GitHub's. */
const ENDPOINT_KEY = 'OPENAI_API_KEY';
const SECRETS = [GITHUB_TOKEN, ENDPOINT_KEY];

const readSettings = cliSettings('copilot', SECRETS);

/** GitHub Copilot CLI, in its headless form: one process per run, prompt on stdin, events on stdout. */
export const copilotAgent: AgentAdapter = {
  name: 'copilot',
  title: 'GitHub Copilot CLI',
  program: copilotProgram,
  credentials: SECRETS,
  direct: [GITHUB_TOKEN],
  // It changes its token at the API of GitHub itself.
  hosts: ['*.githubcopilot.com', 'api.github.com', 'copilot-proxy.githubusercontent.com'],
  takes: ({ baseUrl }) => [baseUrl === undefined ? GITHUB_TOKEN : ENDPOINT_KEY],
  validate(settings) {
    settingsOf(settings);
  },
  command: buildCommand,
  // It reads its stdin to the end before it starts, and a SIGINT ends it.
  steering: () => ({ message: null, interrupt: null }),
  initial: (_, former) => ({ facts: { ...initialFacts(former) } }),
  parse: parseCopilot,
  judge: judgeCopilot,
};

function initialFacts(former: CopilotFacts | undefined): CopilotFacts {
  if (former === undefined) return {};
  return { resumed: true, ...(former.session !== undefined && { session: former.session }) };
}

function settingsOf(settings: AgentSettings): CliSettings {
  const read = readSettings(settings);
  if (read.baseUrl === undefined || read.model !== undefined) return read;
  const message = 'is needed beside baseUrl: an endpoint has no model of its own choice';
  throw new UserError(`model: ${message}`, {
    code: 'agent_settings_invalid',
    status: 422,
    field: 'model',
    issues: [{ field: 'model', message }],
  });
}

function buildCommand(invocation: AgentInvocation): AgentCommand {
  const { prompt, resumeSession, secrets } = invocation;
  const { model, baseUrl } = settingsOf(invocation.settings);
  return {
    argv: [
      'copilot',
      ...['--output-format', 'json'],
      // What an agent may do is decided by the boundary around it, not by questions that nobody is there to answer.
      ...['--allow-all-tools', '--allow-all-paths', '--allow-all-urls', '--no-ask-user'],
      // GitHub's own tools would act there with the token; only Capstan does.
      '--disable-builtin-mcps',
      ...(resumeSession === undefined ? [] : [`--resume=${resumeSession}`]),
    ],
    env: {
      ...agentEnvironment(invocation),
      ...(baseUrl === undefined
        ? atGithub(secrets)
        : atEndpoint(modelAddress(invocation, 'openai', { baseUrl }) ?? baseUrl, secrets)),
      ...(model !== undefined && { COPILOT_MODEL: model }),
      COPILOT_AUTO_UPDATE: 'false',
    },
    stdin: prompt,
  };
}

type Secrets = Readonly<Record<string, string>>;

function atGithub(secrets: Secrets): Readonly<Record<string, string>> {
  return { [GITHUB_TOKEN]: needed(secrets, GITHUB_TOKEN, 'without a baseUrl') };
}

/** Offline: no log-in, no word to GitHub, and the token stays where it is. */
function atEndpoint(baseUrl: string, secrets: Secrets): Readonly<Record<string, string>> {
  return {
    COPILOT_OFFLINE: 'true',
    COPILOT_PROVIDER_TYPE: 'openai',
    COPILOT_PROVIDER_BASE_URL: baseUrl,
    COPILOT_PROVIDER_API_KEY: needed(secrets, ENDPOINT_KEY, 'for the endpoint at baseUrl'),
  };
}

function needed(secrets: Secrets, name: string, when: string): string {
  const value = secrets[name];
  if (value !== undefined) return value;
  throw new UserError(`GitHub Copilot CLI needs ${name} ${when}`, {
    code: 'credential_missing',
    field: name,
    remedy: `Set ${name} under Settings → Secrets.`,
  });
}
