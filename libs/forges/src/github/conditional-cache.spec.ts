import { ConditionalCache } from './conditional-cache.js';

const response = (etag: string) => ({ etag, headers: {}, data: etag });

it('keeps what was used last', () => {
  const cache = new ConditionalCache(2);
  cache.set('a', response('1'));
  cache.set('b', response('2'));
  expect(cache.get('a')?.etag).toBe('1');
  cache.set('c', response('3'));
  expect([cache.get('a')?.etag, cache.get('b'), cache.get('c')?.etag]).toEqual(['1', undefined, '3']);
});

it('replaces an address without losing another', () => {
  const cache = new ConditionalCache(2);
  cache.set('a', response('1'));
  cache.set('b', response('2'));
  cache.set('b', response('3'));
  expect([cache.get('a')?.etag, cache.get('b')?.etag]).toEqual(['1', '3']);
});
