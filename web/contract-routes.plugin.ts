import { routes } from '@capstan/api';
import type { Plugin } from 'vite';

const ID = 'virtual:capstan-routes';
const RESOLVED = `\0${ID}`;

/**
 * Gives the browser the method and path of every route of the contract without the zod schemas behind them:
 * `import { endpoints } from 'virtual:capstan-routes'`. The schemas are loaded only by the forms that validate.
 */
export function contractRoutes(): Plugin {
  return {
    name: 'capstan-contract-routes',
    resolveId: (id) => (id === ID ? RESOLVED : null),
    load: (id) => {
      if (id !== RESOLVED) return null;
      const entries = Object.entries(routes).map(([name, { method, path }]) => [name, { method, path }]);
      return `export const endpoints = ${JSON.stringify(Object.fromEntries(entries))};`;
    },
  };
}
