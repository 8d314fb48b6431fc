import { isIn, wallArguments } from './walls.js';
import type { Walls } from './walls.js';

const walls: Walls = {
  bwrap: '/usr/bin/bwrap',
  features: { disableUserNamespaces: true, tmpfsSize: false },
  system: [{ path: '/usr' }, { path: '/bin', link: 'usr/bin' }, { path: '/opt' }],
  kernel: ['/proc/sys'],
  files: [{ from: '/data/pods/.boundary/etc/hosts', to: '/etc/hosts' }],
  hidden: ['/opt/capstan/.data', '/home/ada'],
  readable: ['/etc/ssl/certs', '/opt/capstan/.data/pods/p/clone', '/home/ada/tools/node_modules'],
  links: [{ path: '/home/ada/bin/claude', target: '/home/ada/tools/node_modules/c/cli.js' }],
  writable: ['/opt/capstan/.data/pods/p/worktrees/t', '/opt/capstan/.data/pods/p/cache'],
  egress: '/opt/capstan/.data/egress',
};

it('makes one command line of what an agent is to find', () => {
  expect(wallArguments(walls)).toMatchSnapshot();
});

it('covers what must not be seen before anything below it is shown, and only where it would be seen', () => {
  const words = wallArguments(walls);
  const cover = words.findIndex((word, at) => word === '/opt/capstan/.data' && words[at - 1] === '--tmpfs');
  expect(cover).toBeGreaterThan(words.indexOf('/opt'));
  expect(cover).toBeLessThan(words.indexOf('/opt/capstan/.data/pods/p/clone'));
  expect(words.filter((word, at) => word === '/home/ada' && words[at - 1] === '--tmpfs')).toEqual([]);
});

it('covers again what a setting has shown whole', () => {
  const words = wallArguments({ ...walls, readable: [...walls.readable, '/home'] });
  expect(words.indexOf('/home')).toBeLessThan(
    words.findIndex((word, at) => word === '/home/ada' && words[at - 1] === '--tmpfs'),
  );
});

it.each([
  ['/a/b', '/a', true],
  ['/a', '/a', true],
  ['/ab', '/a', false],
  ['/a', '/a/b', false],
  ['/a', '/', true],
])('%s lies in %s: %s', (path, directory, expected) => expect(isIn(path, directory)).toBe(expected));
