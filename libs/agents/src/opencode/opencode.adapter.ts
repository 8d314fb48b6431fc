import { UserError } from '@capstan/domain';
import type { AgentAdapter, AgentCommand, AgentInvocation, AgentSettings } from '../agent.port.js';
import { cliSettings, type CliSettings } from '../cli/cli-settings.schema.js';
import { modelAddress } from '../cli/model-address.js';
import { ANTHROPIC_HOSTS, GOOGLE_HOSTS, OPENAI_HOSTS } from '../cli/provider-hosts.js';
import { agentEnvironment } from '../environment.js';
import { judgeOpencode, type OpencodeFacts } from './opencode.judgement.js';
import { parseOpencode } from './opencode.parser.js';
import { opencodeProgram } from './opencode.program.js';

/** Providers that OpenCode reaches at their own address, and whose key each takes. */
const KEYS = { anthropic: 'ANTHROPIC_API_KEY', openai: 'OPENAI_API_KEY', google: 'GEMINI_API_KEY' } as const;
/** The same at the model door; the path is what OpenCode takes for part of a provider's address. */
const AT_DOOR = {
  anthropic: ['anthropic', '/v1'],
  openai: ['openai', ''],
  google: ['gemini', '/v1beta'],
} as const;
const PROVIDERS = Object.keys(KEYS) as (keyof typeof KEYS)[];
const SECRETS = Object.values(KEYS);
/** The provider at `baseUrl`. None of OpenCode's own names: those bring a client of their own with them. */
const ENDPOINT = 'endpoint';

const readSettings = cliSettings('opencode', SECRETS);

/** OpenCode, in its headless form: one process per run, prompt on stdin, events on stdout. */
export const opencodeAgent: AgentAdapter = {
  name: 'opencode',
  title: 'OpenCode',
  program: opencodeProgram,
  credentials: SECRETS,
  hosts: [...ANTHROPIC_HOSTS, ...OPENAI_HOSTS, ...GOOGLE_HOSTS],
  takes({ model, baseUrl }) {
    if (baseUrl !== undefined) return [KEYS.openai];
    const [provider] = split(model ?? '');
    return isProvider(provider) ? [KEYS[provider]] : SECRETS;
  },
  validate(settings) {
    settingsOf(settings);
  },
  command: buildCommand,
  // It reads its stdin to the end before it starts, and a SIGINT ends it.
  steering: () => ({ message: null, interrupt: null }),
  initial(settings, former) {
    const { model } = settingsOf(settings);
    const facts: OpencodeFacts = {
      ...(model !== undefined && { model }),
      ...(former !== undefined && { resumed: true }),
    };
    return { facts: { ...facts } };
  },
  parse: parseOpencode,
  judge: judgeOpencode,
};

function settingsOf(settings: AgentSettings): CliSettings {
  const read = readSettings(settings);
  const { model, baseUrl } = read;
  const [provider, name] = split(model ?? '');
  if (model === undefined) {
    if (baseUrl !== undefined) throw refused('is needed beside baseUrl, as provider/model');
  } else if (provider === '' || name === '') throw refused('expected provider/model');
  else if (baseUrl === undefined && !isProvider(provider))
    throw refused(`expected a model of ${PROVIDERS.join(', ')}, as provider/model; others need baseUrl`);
  return read;
}

function refused(reason: string): UserError {
  const issues = [{ field: 'model', message: reason }];
  return new UserError(`model: ${reason}`, { code: 'agent_settings_invalid', status: 422, field: 'model', issues });
}

/** `provider/model`; names of models may have slashes of their own. */
function split(model: string): readonly [provider: string, name: string] {
  const slash = model.indexOf('/');
  return slash < 0 ? ['', model] : [model.slice(0, slash), model.slice(slash + 1)];
}

function isProvider(name: string): name is keyof typeof KEYS {
  return Object.hasOwn(KEYS, name);
}

function buildCommand(invocation: AgentInvocation): AgentCommand {
  const { prompt, resumeSession } = invocation;
  const settings = settingsOf(invocation.settings);
  const { env, model, config } =
    settings.baseUrl === undefined
      ? atProviders(settings.model, invocation)
      : atEndpoint(settings.baseUrl, settings.model ?? '', invocation);
  return {
    argv: [
      'opencode',
      'run',
      ...['--format', 'json'],
      '--thinking',
      // Named here too: a session that goes on keeps its last model otherwise.
      ...(model === undefined ? [] : ['--model', model]),
      ...(resumeSession === undefined ? [] : ['--session', resumeSession]),
    ],
    env: {
      ...agentEnvironment(invocation),
      ...env,
      OPENCODE_CONFIG_CONTENT: JSON.stringify({
        ...(model !== undefined && { model }),
        ...config,
        // What an agent may do is decided by the boundary around it, not by questions that nobody is there to answer.
        permission: 'allow',
        share: 'disabled',
        autoupdate: false,
      }),
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    },
    stdin: prompt,
  };
}

interface Access {
  readonly env: Readonly<Record<string, string>>;
  readonly model: string | undefined;
  /** Keys are in it by reference, never as they are. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** Only providers whose key is there: left to itself OpenCode falls back to a free one, and the code goes there. */
function atProviders(model: string | undefined, invocation: AgentInvocation): Access {
  const { secrets } = invocation;
  const [wanted] = split(model ?? '');
  if (isProvider(wanted) && secrets[KEYS[wanted]] === undefined)
    throw new UserError(`OpenCode needs ${KEYS[wanted]} for the model ${model}`, {
      code: 'credential_missing',
      field: KEYS[wanted],
      remedy: `Set ${KEYS[wanted]} under Settings → Secrets, or choose a model of another provider.`,
    });
  const there = PROVIDERS.filter((provider) => secrets[KEYS[provider]] !== undefined);
  return {
    env: Object.fromEntries(there.map((provider) => [KEYS[provider], secrets[KEYS[provider]]!])),
    model,
    config: {
      enabled_providers: there,
      provider: Object.fromEntries(there.map((each) => [each, { options: providerOptions(each, invocation) }])),
    },
  };
}

function providerOptions(provider: keyof typeof KEYS, invocation: AgentInvocation): Readonly<Record<string, string>> {
  const [name, path] = AT_DOOR[provider];
  const baseURL = modelAddress(invocation, name, { path });
  return { apiKey: `{env:${KEYS[provider]}}`, ...(baseURL !== undefined && { baseURL }) };
}

/** One endpoint that speaks as OpenAI does, with OpenAI's key. */
function atEndpoint(baseUrl: string, model: string, invocation: AgentInvocation): Access {
  const [, name] = split(model);
  const chosen = `${ENDPOINT}/${name}`;
  const key = KEYS.openai;
  const value = invocation.secrets[key];
  if (value === undefined)
    throw new UserError(`OpenCode needs ${key} for the endpoint at baseUrl`, {
      code: 'credential_missing',
      field: key,
      remedy: `Set ${key} under Settings → Secrets.`,
    });
  return {
    env: { [key]: value },
    model: chosen,
    config: {
      small_model: chosen, // for the session's title
      enabled_providers: [ENDPOINT],
      provider: {
        [ENDPOINT]: {
          npm: '@ai-sdk/openai-compatible',
          options: { baseURL: modelAddress(invocation, 'openai', { baseUrl }), apiKey: `{env:${key}}` },
          models: { [name]: {} },
        },
      },
    },
  };
}
