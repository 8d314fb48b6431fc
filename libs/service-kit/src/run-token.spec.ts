import { randomBytes } from 'node:crypto';
import { uuidv7 } from '@capstan/domain';
import fc from 'fast-check';
import { readRunToken, runToken } from './run-token.js';
import { redactText } from './telemetry/redact.js';

const key = Buffer.alloc(32, 7).toString('base64');
const id = '0199f0aa-1234-7abc-8def-0123456789ab';
const anId = () => uuidv7(Date.now(), randomBytes(10));

describe('a run’s token', () => {
  it('names its run, in a form that stays', () => {
    expect(runToken(key, id)).toMatch(/^cap_run_0199f0aa12347abc8def0123456789ab_[A-Za-z0-9_-]{32}$/);
    expect(runToken(key, id)).toBe(runToken(key, id));
    for (const each of [id, anId(), anId()]) expect(readRunToken(key, runToken(key, each))).toBe(each);
  });

  it('is none with another key, for another run, or with any character changed', () => {
    const token = runToken(key, id);
    expect(readRunToken(randomBytes(32).toString('base64'), token)).toBeNull();
    expect(readRunToken(key, token.replace('0199f0aa', '0199f0ab'))).toBeNull();
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(...'abcdefABCDEF0123456789-_ \n\0'), (index, character) => {
        const changed = token.slice(0, index) + character + token.slice(index + 1);
        expect(readRunToken(key, changed)).toBe(changed === token ? id : null);
      }),
    );
  });

  it.each(['', 'cap_run_', 'sk-ant-api03-abc', `${runToken(key, id)} `, `x${runToken(key, id)}`])(
    'is not %j',
    (text) => {
      expect(readRunToken(key, text)).toBeNull();
    },
  );

  it('is taken out of log lines', () => {
    expect(redactText(`asked with ${runToken(key, id)}.`)).toBe('asked with ***.');
  });
});
