import type { AgentAdapter, AgentCommand, AgentInvocation } from '../agent.port.js';
import { cliSettings } from '../cli/cli-settings.schema.js';
import { modelAddress } from '../cli/model-address.js';
import { GOOGLE_HOSTS } from '../cli/provider-hosts.js';
import { agentEnvironment } from '../environment.js';
import { judgeGemini, type GeminiFacts } from './gemini.judgement.js';
import { parseGemini } from './gemini.parser.js';
import { geminiProgram } from './gemini.program.js';

const API_KEY = 'GEMINI_API_KEY';

const settingsOf = cliSettings('gemini', [API_KEY]);

/** Gemini CLI, in its headless form: one process per run, prompt on stdin, events on stdout. */
export const geminiAgent: AgentAdapter = {
  name: 'gemini',
  title: 'Gemini CLI',
  program: geminiProgram,
  credentials: [API_KEY],
  hosts: GOOGLE_HOSTS,
  validate(settings) {
    settingsOf(settings);
  },
  command: buildCommand,
  // It reads its stdin to the end before it starts, and ignores a SIGINT.
  steering: () => ({ message: null, interrupt: null }),
  initial(settings, former) {
    const facts: GeminiFacts = {
      ...(settingsOf(settings).baseUrl !== undefined && { foreign: true }),
      ...(former !== undefined && { resumed: true }),
    };
    return { facts: { ...facts } };
  },
  parse: parseGemini,
  judge: judgeGemini,
};

/** The CLI's settings in HOME: the key decides whose account pays, and nothing is asked, told or updated. */
const SETTINGS = {
  security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
  general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
  privacy: { usageStatisticsEnabled: false },
  telemetry: { enabled: false },
};

function buildCommand(invocation: AgentInvocation): AgentCommand {
  const { prompt, home, secrets, resumeSession } = invocation;
  const { model, baseUrl } = settingsOf(invocation.settings);
  const key = secrets[API_KEY];
  const address = modelAddress(invocation, 'gemini', { baseUrl });
  return {
    argv: [
      'gemini',
      ...['--output-format', 'stream-json'],
      // What an agent may do is decided by the boundary around it, not by questions that nobody is there to answer.
      '--yolo',
      '--skip-trust',
      ...(model === undefined ? [] : ['--model', model]),
      ...(resumeSession === undefined ? [] : ['--resume', resumeSession]),
    ],
    env: {
      ...agentEnvironment(invocation),
      ...(key !== undefined && { [API_KEY]: key }),
      ...(address !== undefined && { GOOGLE_GEMINI_BASE_URL: address }),
      GEMINI_CLI_TRUST_WORKSPACE: 'true',
      GEMINI_TELEMETRY_ENABLED: 'false',
    },
    stdin: prompt,
    files: { [`${home}/.gemini/settings.json`]: `${JSON.stringify(SETTINGS, null, 2)}\n` },
  };
}
