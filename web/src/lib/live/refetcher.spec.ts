import { LIVE_NAMESPACE, LIVE_PATH, routes } from '@capstan/api';
import { endpoints } from 'virtual:capstan-routes';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NAMESPACE, SOCKET_PATH } from './connection.svelte.ts';
import { BURST_MS, Refetcher } from './refetcher.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('reading again what changed', () => {
  it('makes two loads of a burst, the last one after the last change', async () => {
    let world = 0;
    const seen: number[] = [];
    const refetcher = new Refetcher(async () => void seen.push(world));
    for (world = 1; world <= 50; world++) refetcher.ask();
    await vi.advanceTimersByTimeAsync(BURST_MS * 3);
    expect(seen).toEqual([1, 51]);
  });

  it('never has two loads under way, and loads once more for a change during a load', async () => {
    let underWay = 0;
    let most = 0;
    let loads = 0;
    const refetcher = new Refetcher(async () => {
      loads++;
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      underWay--;
    });
    refetcher.ask();
    await vi.advanceTimersByTimeAsync(500);
    refetcher.ask();
    refetcher.ask();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([loads, most]).toEqual([2, 1]);
  });

  it('loads at once again when it was quiet for a while, and nothing after it was stopped', async () => {
    let loads = 0;
    const refetcher = new Refetcher(async () => void loads++);
    refetcher.ask();
    await vi.advanceTimersByTimeAsync(BURST_MS * 2);
    refetcher.ask();
    expect(loads).toBe(2);
    refetcher.ask();
    refetcher.stop();
    await vi.advanceTimersByTimeAsync(BURST_MS * 5);
    expect(loads).toBe(2);
  });
});

describe('what is known of the contract without its schemas', () => {
  it('is the contract’s own', () => {
    expect([NAMESPACE, SOCKET_PATH]).toEqual([LIVE_NAMESPACE, LIVE_PATH]);
    expect(Object.keys(endpoints)).toEqual(Object.keys(routes));
    expect(endpoints.runLog).toEqual({ method: 'GET', path: routes.runLog.path });
  });
});
