import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Boundary } from '@capstan/domain';
import { bubblewrap } from '@capstan/test-support';
import type { BoundaryRequest } from '../../runtime.port.js';
import { LocalRuntime } from '../local.adapter.js';
import type { LocalIsolation } from './isolation.js';

const supervisor = resolve(import.meta.dirname, '../../../../supervisor');
const supervisorFile = join(supervisor, 'dist/supervisor.mjs');
const labels = { 'capstan.test': 'isolation' };
let bwrap: string;
let data: string;
let egress: Server;

beforeAll(() => {
  execFileSync(process.execPath, [join(supervisor, 'build.mjs')]);
  bwrap = bubblewrap();
}, 120_000);
beforeEach(async () => {
  data = mkdtempSync(join(realpathSync(tmpdir()), 'capstan-isolation-'));
  mkdirSync(join(data, 'egress'));
  writeFileSync(join(data, 'secrets.json'), 'canary');
  egress = createServer((_, answer) => answer.writeHead(407).end('who are you?'));
  await new Promise<void>((done) => egress.listen(join(data, 'egress', 'egress.sock'), done));
});
afterEach(async () => {
  await new Promise((done) => egress.close(done));
  rmSync(data, { recursive: true, force: true });
});

function runtime(over: Partial<LocalIsolation> = {}): LocalRuntime {
  const isolation: LocalIsolation = {
    ...{ mode: 'prefer', bwrap, hidden: [data], readable: [], unreachable: [] },
    egress: { socket: join(data, 'egress', 'egress.sock'), port: 4403 },
    ...over,
  };
  return new LocalRuntime({ directory: join(data, 'pods'), supervisorFile, isolation });
}
async function observed(over: Partial<LocalIsolation> = {}): Promise<{ isolation?: string; reason?: string }> {
  const local = runtime(over);
  await local.create({ name: 'pod', labels });
  const [pod] = await local.list(labels);
  return { ...(pod && { isolation: pod.isolation }), ...(pod?.isolationReason && { reason: pod.isolationReason }) };
}
/** A program in bubblewrap's place. */
function impostor(script: string): string {
  const path = join(data, 'bwrap');
  writeFileSync(path, `#!/bin/sh\nif [ "$1" = --help ]; then exec ${bwrap} --help; fi\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('a pod on this machine', () => {
  it('is isolated when trying everything inside its boundary has failed, and egress answers', async () => {
    expect(await observed({ mode: 'require' })).toEqual({ isolation: 'isolated' });
    // For its life, whatever this machine is like later.
    expect((await runtime({ mode: 'off' }).list(labels))[0]?.isolation).toBe('isolated');
  }, 60_000);

  it.each<[string, () => Partial<LocalIsolation>, string]>([
    ['bubblewrap is missing', () => ({ bwrap: '/no/such/bwrap' }), 'apt install bubblewrap'],
    ['it is switched off', () => ({ mode: 'off' }), 'CAPSTAN_ISOLATION is off'],
    [
      'the kernel refuses',
      () => ({ bwrap: impostor('echo "bwrap: setting up uid map: Permission denied" >&2; exit 1') }),
      'setting up uid map: Permission denied',
    ],
    [
      'the network is shared',
      () => ({ bwrap: impostor(`shift; exec ${bwrap} --unshare-user --unshare-pid --unshare-ipc --unshare-uts "$@"`) }),
      'reaches 127.0.0.1:',
    ],
    [
      'processes are shared',
      () => ({ bwrap: impostor(`shift; exec ${bwrap} --unshare-user --unshare-net --unshare-ipc --unshare-uts "$@"`) }),
      'sees processes outside',
    ],
    [
      'something shows more than it should',
      () => ({ bwrap: impostor(`exec ${bwrap} "$@"`), readable: [data], hidden: [] }),
      'reads ',
    ],
    [
      'egress is away',
      () => ({ egress: { socket: join(data, 'nobody', 'egress.sock'), port: 4403 } }),
      "doesn't reach egress",
    ],
  ])(
    'is not isolated where %s, and says so',
    async (_, over, reason) => {
      expect(await observed(over())).toEqual({ isolation: 'not_isolated', reason: expect.stringContaining(reason) });
    },
    60_000,
  );

  it('is not made at all where isolation is required and not proven', async () => {
    const local = runtime({ mode: 'require', bwrap: '/no/such/bwrap' });
    const refused = local.create({ name: 'pod', labels });
    await expect(refused).rejects.toMatchObject({
      name: 'UserError',
      code: 'isolation_unproven',
      message: expect.stringContaining('bubblewrap is missing'),
    });
    expect(await local.list(labels)).toEqual([]);
  }, 60_000);
});

describe('an agent in its boundary', () => {
  let local: LocalRuntime;
  let root: string;
  let task: string;
  let places: BoundaryRequest;

  beforeEach(async () => {
    local = runtime();
    await local.create({ name: 'pod', labels });
    root = local.root('pod');
    task = join(root, 'worktrees/t');
    places = { writable: [task, join(root, 'cache')], readable: [join(root, 'clone')] };
  }, 60_000);

  async function inside(script: string, request: Partial<BoundaryRequest> = {}): Promise<string> {
    const { argv } = (await local.boundary('pod', { ...places, ...request })) as Boundary;
    const [program = '', ...rest] = argv;
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
    const { stdout, stderr } = spawnSync(program, [...rest, '/bin/sh', '-c', script], { env, encoding: 'utf8' });
    return `${stdout}${stderr}`.trim();
  }

  it('writes its task and its cache, reads the clone, and finds git, a shell and certificates', async () => {
    await inside('true');
    writeFileSync(join(root, 'clone/HEAD'), 'ref\n');
    const said = await inside(
      `cd ${task} && echo mine > a && echo shared > ${root}/cache/b && cat ${root}/clone/HEAD && git init -q . && id -u && ls /etc/ssl/certs | head -1 | wc -l`,
    );
    expect(said.split('\n')).toEqual(['ref', '1000', '1']);
    expect([readFileSync(join(task, 'a'), 'utf8'), readFileSync(join(root, 'cache/b'), 'utf8')]).toEqual([
      'mine\n',
      'shared\n',
    ]);
  }, 60_000);

  it('writes neither clone, nor supervisor, nor system, nor the pod around it', async () => {
    for (const place of [join(root, 'clone'), '/usr', '/etc', '/', '/opt', '/run/capstan-egress']) {
      expect(await inside(`echo x > ${place}/planted`)).toMatch(/Read-only file system|nonexistent/);
    }
    // Above its own directories is the boundary's memory, where nothing outside is met.
    for (const place of [root, join(root, 'runs'), data, join(data, 'egress'), '/tmp']) {
      await inside(`echo x > ${place}/planted`);
      expect(existsSync(join(place, 'planted'))).toBe(false);
    }
    expect(await inside(`echo x >> ${supervisorFile}`)).toMatch(/Read-only file system/);
  }, 60_000);

  it('sees neither Capstan’s state, nor other tasks, nor processes, names and settings of this machine', async () => {
    mkdirSync(join(root, 'worktrees/other'), { recursive: true });
    mkdirSync(join(root, 'runs'), { recursive: true });
    expect(await inside(`ls ${data} ${root} ${root}/worktrees`)).toBe(
      `${data}:\npods\n\n${root}:\ncache\nclone\nworktrees\n\n${root}/worktrees:\nt`,
    );
    expect(await inside('cat /etc/shadow /etc/ssl/private/* 2>/dev/null; cat /etc/hosts')).toBe(
      '127.0.0.1 localhost capstan\n::1 localhost',
    );
    expect(await inside('cat /etc/passwd | wc -l; hostname; ls -d /sys /home /root /var/run 2>/dev/null')).toBe(
      '2\ncapstan',
    );
    expect(await inside('echo x > /proc/sys/kernel/core_pattern')).toMatch(/Read-only file system/);
  }, 60_000);

  it('runs a program that is installed elsewhere, and sees nothing beside it', async () => {
    const home = join(data, 'home');
    mkdirSync(join(home, 'lib/node_modules/agent'), { recursive: true });
    mkdirSync(join(home, 'bin'));
    writeFileSync(join(home, '.npmrc'), 'token');
    writeFileSync(join(home, 'lib/node_modules/agent/cli.sh'), '#!/bin/sh\necho agent ran\n', { mode: 0o755 });
    symlinkSync('../lib/node_modules/agent/cli.sh', join(home, 'bin/agent'));
    const program = { name: 'agent', path: `/nowhere:${join(home, 'bin')}:/usr/bin:/bin` };
    const said = await inside(`PATH=${program.path} agent; ls -A ${home}; ls ${home}/bin`, { program });
    expect(said.split('\n')).toEqual(['agent ran', 'bin', 'lib', 'agent']);
  }, 60_000);

  it('is refused where the pod is isolated and bubblewrap is gone', async () => {
    const later = runtime({ bwrap: '/no/such/bwrap' });
    await expect(later.boundary('pod', places)).rejects.toMatchObject({ code: 'isolation_unproven' });
  }, 60_000);

  it('is the only one that an isolated pod starts: without a boundary the supervisor refuses', async () => {
    const argv = ['node', supervisorFile, 'launch', 'run', '--root', root];
    const request = { epoch: 1, argv: ['/bin/true'], env: {}, cwd: root, deadlineAt: 0, maxJournalBytes: 1 };
    const refused = await local.exec('pod', { argv, stdin: `${JSON.stringify(request)}\n` });
    expect(JSON.parse(refused.stdout.toString())).toMatchObject({ error: { code: 'boundary_missing' } });
    const finish = { worktree: 'worktrees/t', home: 'worktrees/h', base: 'x', branch: 'b', message: 'm', author: 'a' };
    const unfinished = await local.exec('pod', {
      argv: ['node', supervisorFile, 'finish', 'run', '--root', root],
      stdin: `${JSON.stringify(finish)}\n`,
    });
    expect(JSON.parse(unfinished.stdout.toString())).toMatchObject({ error: { code: 'boundary_missing' } });
  }, 60_000);
});
