import type { AgentInvocation } from './agent.port.js';

/** Variables of the pod that an agent may see. Everything else that a host or pod has set stays outside. */
const PASSED_THROUGH = [
  'PATH',
  'LANG',
  'LC_ALL',
  'TZ',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'NODE_USE_ENV_PROXY',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
] as const;

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The name that an agent's own commits carry. */
export const AGENT_GIT_NAME = 'Capstan agent';
export const AGENT_GIT_EMAIL = 'agent@capstan.invalid';

/** True for variables that Capstan sets itself: settings may not replace them. */
export function isReservedVariable(name: string): boolean {
  return name === 'HOME' || name === 'TMPDIR' || name.startsWith('CAPSTAN_');
}

/**
 * The whole environment of an agent, from an allow-list: nothing of Capstan's own, HOME and temporary files of the
 * task, an identity to commit with, and caches that the pod's tasks share. Settings may add or replace the rest.
 * Secrets are not in it; each adapter adds those that it names.
 */
export function agentEnvironment(invocation: AgentInvocation): Record<string, string> {
  const { home, settings, podEnvironment = {} } = invocation;
  const passed = PASSED_THROUGH.flatMap((name) => {
    const value = podEnvironment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    PATH: DEFAULT_PATH,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    ...Object.fromEntries(passed),
    ...cacheVariables(invocation.cacheDirectory ?? `${home}/.cache`),
    XDG_CACHE_HOME: `${home}/.cache`,
    CI: '1',
    NO_COLOR: '1',
    TERM: 'dumb',
    // HOME is the task's own, so the global git configuration is too; only the machine's is kept out.
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: AGENT_GIT_NAME,
    GIT_AUTHOR_EMAIL: AGENT_GIT_EMAIL,
    GIT_COMMITTER_NAME: AGENT_GIT_NAME,
    GIT_COMMITTER_EMAIL: AGENT_GIT_EMAIL,
    ...settings.env,
    HOME: home,
    TMPDIR: home,
  };
}

function cacheVariables(directory: string): Record<string, string> {
  return {
    npm_config_cache: `${directory}/npm`,
    npm_config_store_dir: `${directory}/pnpm`,
    YARN_CACHE_FOLDER: `${directory}/yarn`,
    PIP_CACHE_DIR: `${directory}/pip`,
    UV_CACHE_DIR: `${directory}/uv`,
    GOCACHE: `${directory}/go-build`,
    GOMODCACHE: `${directory}/go-mod`,
    GRADLE_USER_HOME: `${directory}/gradle`,
  };
}
