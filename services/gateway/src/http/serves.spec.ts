import { Controller } from '@nestjs/common';
import { RequestMapping } from '@nestjs/common';
import { route, routes } from '@capstan/api';
import { CONTROLLERS } from '../gateway.module.js';
import type { Ask } from './ask.js';
import { RateLimit } from './rate-limit.js';
import { assertEveryRouteServed, Serves } from './serves.js';

const one = route({ method: 'GET', path: '/one', permission: 'task.read', tag: 't', summary: 's' });
const two = route({ method: 'GET', path: '/two', permission: 'task.read', tag: 't', summary: 's' });

@Controller()
class First {
  @Serves(one)
  async one(_ask: Ask) {
    return 1;
  }
}
@Controller()
class Again {
  @Serves(one)
  async one(_ask: Ask) {
    return 1;
  }
  @RequestMapping({ path: '/loose' })
  loose() {
    return 1;
  }
}

describe('assertEveryRouteServed', () => {
  it('is content with the gateway', () => {
    expect(() => assertEveryRouteServed(CONTROLLERS, routes)).not.toThrow();
  });

  it('names what is missing, double, or bound past the door', () => {
    expect(() => assertEveryRouteServed([First], { one, two })).toThrow('nothing serves two (GET /two)');
    expect(() => assertEveryRouteServed([First, Again], { one })).toThrow('one is served twice: First.one, Again.one');
    expect(() => assertEveryRouteServed([Again], { one })).toThrow('Again.loose is bound without a permission');
  });
});

describe('RateLimit', () => {
  it('lets so many through in a minute, per key, and says when the next may come', () => {
    let now = 0;
    const limit = new RateLimit(60, () => now);
    for (let index = 0; index < 60; index += 1) limit.take('a');
    expect(() => limit.take('a')).toThrow(expect.objectContaining({ status: 429, retryAfterMs: 1_000 }));
    limit.take('b');
    now = 1_000;
    expect(() => limit.take('a')).not.toThrow();
    expect(() => limit.take('a')).toThrow();
  });
});
