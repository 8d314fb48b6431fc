import { UserError } from '@capstan/domain';
import { SERVICES, cliConfig } from './cli.config.js';

const refusalOf = (environment: Record<string, string>): UserError => {
  try {
    cliConfig(environment, '/home/a');
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('the environment', () => {
  it('needs nothing', () => {
    expect(cliConfig({}, '/home/a')).toMatchObject({ port: 4400, services: SERVICES, databaseUrl: undefined });
  });

  it('takes an empty variable for none', () => {
    expect(cliConfig({ CAPSTAN_PORT: '', CAPSTAN_DATABASE_URL: '' }, '/')).toMatchObject({
      port: 4400,
      databaseUrl: undefined,
    });
  });

  it.each([
    ['state', '/home/a/state'],
    ['/srv/state', '/srv/state'],
  ])('finds the data directory %s from where it is called', (dataDir, expected) => {
    expect(cliConfig({ CAPSTAN_DATA_DIR: dataDir }, '/home/a').dataDir).toBe(expected);
  });

  it('takes a part of the services', () => {
    expect(cliConfig({ CAPSTAN_SERVICES: 'gateway, scheduler' }, '/').services).toEqual(['gateway', 'scheduler']);
  });

  it('says every fault at once, with what was expected', () => {
    const refusal = refusalOf({ CAPSTAN_PORT: '70000', CAPSTAN_SERVICES: 'gatewey', CAPSTAN_URL: 'ftp://x' });
    expect(refusal.issues.map(({ field }) => field)).toEqual(['CAPSTAN_PORT', 'CAPSTAN_SERVICES', 'CAPSTAN_URL']);
    expect(refusal.message).toContain('unsupported CAPSTAN_PORT "70000"; expected a port from 1 to 65535');
    expect(refusal.message).toContain('unsupported CAPSTAN_SERVICES "gatewey"; expected a comma-separated list of');
  });

  it('never repeats a secret', () => {
    const refusal = refusalOf({ CAPSTAN_PORT: 'x', CAPSTAN_TOKEN: 'canary', CAPSTAN_ENCRYPTION_KEY: 'canary' });
    expect(`${refusal.message}${refusal.stack}`).not.toContain('canary');
  });
});
