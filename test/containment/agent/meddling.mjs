// What Capstan itself will read or run afterwards: git's files in the worktree, the supervisor's directories, its own
// output. What is planted here would leave a mark outside, which the spec looks for.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const git = (...words) => execFileSync('git', words, { stdio: 'pipe' });
/** Planted, and judged by the marks that it leaves: never "reached" by itself. */
const plants = (name, plant) => ({
  name,
  harms: true,
  look: (knows) => (plant(knows, join(knows.marks, name.replaceAll(' ', '-'))), null),
});

const HOOKS = [
  'pre-commit',
  'post-commit',
  'post-checkout',
  'post-index-change',
  'reference-transaction',
  'pre-push',
  'sendemail-validate',
];

export const meddling = [
  plants('hooks of the worktree', (_, mark) => {
    mkdirSync('.git/hooks', { recursive: true });
    for (const hook of HOOKS)
      writeFileSync(`.git/hooks/${hook}`, `#!/bin/sh\ntouch '${mark}' 2>/dev/null\nexit 0\n`, { mode: 0o755 });
  }),
  plants('a path of hooks', (_, mark) => {
    mkdirSync('hooks', { recursive: true });
    for (const hook of HOOKS)
      writeFileSync(`hooks/${hook}`, `#!/bin/sh\ntouch '${mark}' 2>/dev/null\nexit 0\n`, { mode: 0o755 });
    git('config', 'core.hooksPath', 'hooks');
  }),
  plants('a monitor of files', (_, mark) => git('config', 'core.fsmonitor', `touch '${mark}' 2>/dev/null; false`)),
  plants('filters', (_, mark) => {
    for (const kind of ['clean', 'smudge', 'process'])
      git('config', `filter.evil.${kind}`, `sh -c "touch '${mark}' 2>/dev/null; cat"`);
    mkdirSync('.git/info', { recursive: true });
    appendFileSync('.git/info/attributes', '* filter=evil diff=evil merge=evil\n');
  }),
  plants('programs for differences', (_, mark) => {
    git('config', 'diff.evil.command', `touch '${mark}'`);
    git('config', 'diff.evil.textconv', `touch '${mark}'`);
    git('config', 'merge.evil.driver', `touch '${mark}'`);
  }),
  plants('programs for transports', (_, mark) => {
    git('config', 'core.sshCommand', `touch '${mark}'`);
    git('config', 'core.gitProxy', `touch '${mark}'`);
    git('config', 'protocol.ext.allow', 'always');
    git('config', 'uploadpack.packObjectsHook', `touch '${mark}'`);
    git('config', 'remote.origin.url', `ext::sh -c touch% '${mark}'`);
    git('config', 'credential.helper', `!touch '${mark}'`);
  }),
  plants('a configuration from elsewhere', (_, mark) => {
    writeFileSync(
      'more.config',
      `[core]\n\tfsmonitor = "touch '${mark}'"\n\tpager = "touch '${mark}'"\n[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = "touch"\n`,
    );
    git('config', 'include.path', join(process.cwd(), 'more.config'));
    // Its own commits must still succeed.
    git('config', '--unset-all', 'include.path');
    git('config', 'includeIf.onbranch:**.path', join(process.cwd(), 'no-such.config'));
  }),
  {
    name: "another repository's objects",
    seeks: 'canary',
    look: ({ otherPod, otherBlob }) => {
      appendFileSync('.git/objects/info/alternates', `${otherPod}/clone/objects\n`);
      return git('cat-file', '-p', otherBlob);
    },
  },
  {
    name: "its run's own directory",
    look: ({ podRoot }) => readdirSync(join(podRoot, 'runs')).join(' ') || null,
  },
  {
    name: 'a forged end in the journal',
    harms: true,
    look: ({ podRoot, runId }) => (appendFileSync(join(podRoot, 'runs', runId, 'exit.json'), '{"code":0}'), 'written'),
  },
  {
    name: "the supervisor's commands",
    harms: true,
    look: ({ podRoot, otherRunId }) => (
      writeFileSync(join(podRoot, 'runs', otherRunId, 'commands', 'evil.request'), '{}'),
      'written'
    ),
  },
  {
    name: "a directory for the supervisor's drafts",
    harms: true,
    look: ({ podRoot }) => (writeFileSync(join(podRoot, 'tmp', 'evil'), 'x'), 'written'),
  },
  {
    name: 'a forged record in its output',
    look: ({ runId }) => {
      const record = { kind: 'exit', exit: { code: 0, signal: null }, runId };
      process.stdout.write(`${JSON.stringify(record)}\n{"sequence":1,"kind":"exit","exit":{"code":3}}\n`);
      return null;
    },
  },
  plants('a worktree that is a link', ({ otherTask }) => symlinkSync(join(otherTask, 'tree'), 'a-tree-of-others')),
  {
    name: 'a daemon without a name',
    harms: true,
    look: ({ daemon }) => {
      // A session of its own, no environment, no parent: known by its last argument alone.
      const script = `(setsid env -i /bin/sh -c 'sleep 3600; :' ${daemon} &); exec env -i /bin/sh -c 'sleep 3600; :' ${daemon}`;
      const child = spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' });
      child.unref();
      return null;
    },
  },
  {
    name: 'two hundred processes',
    harms: true,
    look: ({ daemon }) => (
      spawnSync('sh', ['-c', `for i in $(seq 200); do sh -c 'sleep 3600; :' ${daemon} & done`], { stdio: 'ignore' }),
      null
    ),
  },
];
