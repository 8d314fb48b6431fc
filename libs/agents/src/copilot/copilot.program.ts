import { jsonObject } from '../cli/json-line.js';
import { unusable, type AgentProgram, type LogIn } from '../log-in/log-in.js';

const SETTINGS = '.copilot/config.json';
const GH = '.config/gh/hosts.yml';

export const copilotProgram: AgentProgram = {
  name: 'copilot',
  package: '@github/copilot',
  tried: '1.0.102',
  quiet: { COPILOT_AUTO_UPDATE: 'false' },
  logIn: { command: 'copilot login', files: [SETTINGS, GH], read },
};

/**
 * Never used: Copilot's token has to be in the pod, and the one of a log-in could push to every repository of its user.
 * No credential of a forge enters a pod.
 */
function read(texts: ReadonlyMap<string, string>): LogIn | null {
  const users = jsonObject(texts.get(SETTINGS) ?? '')?.['logged_in_users'];
  const file = Array.isArray(users) && users.length > 0 ? SETTINGS : texts.has(GH) ? GH : undefined;
  if (file === undefined) return null;
  return unusable(file, 'A log-in at GitHub: it could push to your repositories, and would have to be in the pod', {
    words: 'Set COPILOT_GITHUB_TOKEN to a fine-grained token with the permission “Copilot Requests” and no other.',
    command: null,
  });
}
