import { systemResolver } from './resolver.js';

it('resolves as the machine does, and asks again after half a minute', async () => {
  let now = 0;
  const resolve = systemResolver(() => now);
  const first = resolve('localhost');
  expect((await first).some((address) => address === '127.0.0.1' || address === '::1')).toBe(true);
  now = 29_000;
  expect(resolve('localhost')).toBe(first);
  now = 31_000;
  const later = resolve('localhost');
  expect(later).not.toBe(first);
  expect(await later).toEqual(await first);
});

it('keeps no failure', async () => {
  const resolve = systemResolver();
  const first = resolve('nowhere.invalid');
  await expect(first).rejects.toThrow();
  const second = resolve('nowhere.invalid');
  expect(second).not.toBe(first);
  await expect(second).rejects.toThrow();
});
