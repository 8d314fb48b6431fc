import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '@capstan/domain';
import { z } from 'zod';
import { baseConfig, flag, integer } from './base.js';
import { assertConfigs, ConfigError, loadConfig, type Environment } from './config.js';
import { isPlaceholder } from './placeholder.js';

const key = randomBytes(32).toString('base64');
const good = {
  CAPSTAN_DATABASE_URL: 'postgres://capstan:f3JkQ1x9@127.0.0.1:5432/capstan',
  CAPSTAN_NATS_URL: 'nats://capstan:Zq81mmA2@127.0.0.1:4222',
  CAPSTAN_ENCRYPTION_KEY: key,
};

const faultsOf = (env: Environment, schema: z.ZodObject = baseConfig): ConfigError => {
  try {
    loadConfig(schema, env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('no fault was found');
};

describe('loadConfig', () => {
  it('answers typed values and defaults', () => {
    const config = loadConfig(baseConfig, {
      ...good,
      CAPSTAN_DATABASE_POOL_SIZE: '7',
      OTEL_EXPORTER_OTLP_INSECURE: 'yes',
    });
    expect(config).toMatchObject({
      CAPSTAN_DATABASE_POOL_SIZE: 7,
      CAPSTAN_LOG_FORMAT: 'json',
      CAPSTAN_NATS_PREFIX: 'capstan',
      OTEL_EXPORTER_OTLP_INSECURE: true,
    });
  });

  it('says all faults at once, each with variable, reason and remedy', () => {
    const error = faultsOf({
      ...good,
      CAPSTAN_DATABASE_URL: '',
      CAPSTAN_LOG_FORMAT: 'yaml',
      CAPSTAN_ENCRYPTION_KEY: 'changeme',
      CAPSTAN_INTERNAL_PORT: '70000',
      CAPSTAN_DATABASE_POOL_SIZE: 'many',
    });
    expect(error).toBeInstanceOf(UserError);
    expect(error.faults.map(({ variable }) => variable).sort()).toEqual([
      'CAPSTAN_DATABASE_POOL_SIZE',
      'CAPSTAN_DATABASE_URL',
      'CAPSTAN_ENCRYPTION_KEY',
      'CAPSTAN_INTERNAL_PORT',
      'CAPSTAN_LOG_FORMAT',
    ]);
    for (const { remedy } of error.faults) expect(remedy).toMatch(/^[A-Z].+/);
    expect(error.message).toContain('unsupported CAPSTAN_LOG_FORMAT "yaml"; expected json or text');
    expect(error.message).toContain(
      'unsupported CAPSTAN_INTERNAL_PORT "70000"; expected a whole number from 0 to 65535',
    );
    expect(error.message).toContain('CAPSTAN_DATABASE_URL (Postgres 15 or newer) is missing');
    expect(error.message).toContain('CAPSTAN_ENCRYPTION_KEY is a placeholder');
    expect(error.message).toContain('openssl rand -base64 32');
  });

  it('never shows a secret', () => {
    const error = faultsOf({
      ...good,
      CAPSTAN_ENCRYPTION_KEY: 'k7Jd92hhsPq0',
      CAPSTAN_NATS_URL: 'http://u:hunter22@x',
    });
    expect(error.message).not.toMatch(/k7Jd92hhsPq0|hunter22/);
    expect(JSON.stringify(error.faults)).not.toMatch(/k7Jd92hhsPq0|hunter22/);
  });

  it('checks settings together', () => {
    const schema = z
      .object({ MODE: z.enum(['development', 'production']), SIGN_IN: z.enum(['development', 'password']) })
      .refine(({ MODE, SIGN_IN }) => MODE !== 'production' || SIGN_IN !== 'development', {
        path: ['SIGN_IN'],
        message: 'development sign-in is not for production',
      });
    expect(faultsOf({ MODE: 'production', SIGN_IN: 'development' }, schema).message).toContain(
      'unsupported SIGN_IN "development"; development sign-in is not for production',
    );
  });

  it.each(['1', '0', 'on', 'off', 'true', 'false'])('reads the flag %s', (value) => {
    const { FLAG } = loadConfig(z.object({ FLAG: flag() }), { FLAG: value });
    expect(FLAG).toBe(['1', 'on', 'true'].includes(value));
  });

  it.each(['1.5', '0x10', '1e3', ' 4', '11', '-1', '99999999999999999999'])('refuses %s for 0 to 10', (value) => {
    const error = faultsOf({ COUNT: value }, z.object({ COUNT: integer({ min: 0, max: 10 }) }));
    expect(error.message).toContain('expected a whole number from 0 to 10');
  });
});

describe('secrets in files', () => {
  let directory: string;
  beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'capstan-config-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  it('are read and trimmed', () => {
    const file = join(directory, 'key');
    writeFileSync(file, `${key}\n`);
    const { CAPSTAN_ENCRYPTION_KEY: _key, ...rest } = good;
    expect(loadConfig(baseConfig, { ...rest, CAPSTAN_ENCRYPTION_KEY_FILE: file }).CAPSTAN_ENCRYPTION_KEY).toBe(key);
  });

  it('are refused beside the variable itself, and when they are not there', () => {
    const file = join(directory, 'nothing');
    expect(faultsOf({ ...good, CAPSTAN_ENCRYPTION_KEY_FILE: file }).message).toContain('are both set');
    const { CAPSTAN_ENCRYPTION_KEY: _key, ...rest } = good;
    const missing = faultsOf({ ...rest, CAPSTAN_ENCRYPTION_KEY_FILE: file });
    expect(missing.faults).toHaveLength(1);
    expect(missing.message).toContain('ENOENT');
  });
});

describe('assertConfigs', () => {
  it('says what several services miss once', () => {
    const one = baseConfig.extend({ ONE: z.string() });
    const two = baseConfig.extend({ TWO: z.string() });
    expect.assertions(1);
    try {
      assertConfigs([baseConfig, one, two], { ...good, CAPSTAN_NATS_URL: 'nope' });
    } catch (error) {
      expect((error as ConfigError).faults.map(({ variable }) => variable).sort()).toEqual([
        'CAPSTAN_NATS_URL',
        'ONE',
        'TWO',
      ]);
    }
  });
});

describe('isPlaceholder', () => {
  it.each([
    'changeme',
    'CHANGE_ME',
    'xxx',
    'xxxxxxxx',
    'secret',
    'your-key-here',
    '<key>',
    '${KEY}',
    'aaaaaaaaaaaaaaaa',
    Buffer.alloc(32).toString('base64'),
    Buffer.from('changeme-changeme-changeme-12345').toString('base64'),
    Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('base64'),
    Buffer.from('01234567890123456789012345678901').toString('base64'),
  ])('%s is one', (value) => expect(isPlaceholder(value)).toBe(true));

  it('no random key is one', () => {
    for (let index = 0; index < 500; index += 1) {
      expect(isPlaceholder(randomBytes(32).toString('base64'))).toBe(false);
    }
    expect(isPlaceholder(good.CAPSTAN_DATABASE_URL)).toBe(false);
  });
});
