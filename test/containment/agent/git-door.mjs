// What the git door gives besides the repository of the run.
import { spawnSync } from 'node:child_process';

/** Where the door is, and what opens it for this run. */
const door = () => process.env.GIT_CONFIG_KEY_1.slice('http.'.length, -'.extraHeader'.length);
const header = () => process.env.GIT_CONFIG_VALUE_1.slice('Authorization: '.length);
const REFS = 'info/refs?service=git-upload-pack';
const UPLOAD = { method: 'POST', body: JSON.stringify({ operation: 'upload', objects: [] }) };

/** The answer to one request at the door; nothing where it is refused. */
async function ask(path, { authorization = header(), ...options } = {}) {
  const answer = await fetch(`${door()}${path}`, { ...options, headers: { authorization }, redirect: 'manual' });
  return answer.ok ? Buffer.from(await answer.arrayBuffer()) : null;
}

function git(...words) {
  const { status, stdout } = spawnSync('git', words, { timeout: 6_000 });
  return status === 0 ? stdout.toString() || 'done' : null;
}

const forged = ({ otherRunId }) => {
  const [user, token] = Buffer.from(header().slice('Basic '.length), 'base64').toString().split(':');
  const other = token.replace(/_[0-9a-f]{32}_/, `_${otherRunId.replaceAll('-', '')}_`);
  return `Basic ${Buffer.from(`${user}:${other}`).toString('base64')}`;
};

export const gitDoor = [
  { name: 'git door: another repository', look: () => ask(`acme/other.git/${REFS}`) },
  { name: 'git door: another repository, by git', look: () => git('ls-remote', `${door()}acme/other.git`) },
  { name: 'git door: a way around the name', look: () => ask(`acme/app.git/..%2fother.git/${REFS}`) },
  { name: 'git door: another server', look: ({ port }) => ask(`@127.0.0.1:${port}/acme/app.git/${REFS}`) },
  { name: "git door: the forge's API", look: () => ask('api/v3/user') },
  { name: 'git door: refs to push by', look: () => ask('acme/app.git/info/refs?service=git-receive-pack') },
  { name: 'git door: a push', look: () => git('push', `${door()}acme/app.git`, 'HEAD:refs/heads/owned') },
  { name: 'git door: an upload of LFS', look: () => ask('acme/app.git/info/lfs/objects/batch', UPLOAD) },
  { name: 'git door: without a token', look: () => ask(`acme/app.git/${REFS}`, { authorization: '' }) },
  {
    name: "git door: with a token of another run's",
    look: (knows) => ask(`acme/app.git/${REFS}`, { authorization: forged(knows) }),
  },
  { name: 'allowed: its own repository at the git door', look: () => ask(`acme/app.git/${REFS}`) },
];
