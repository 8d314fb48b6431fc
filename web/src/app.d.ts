declare module 'virtual:capstan-routes' {
  import type { RouteName } from '@capstan/api';
  /** Method and path of every route of the contract. */
  export const endpoints: Readonly<Record<RouteName, { readonly method: string; readonly path: string }>>;
}
