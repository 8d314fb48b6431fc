import type { Migration } from './migration.js';

/** Whether agents may fetch the owner's other repositories, which submodules are. */
export const gitDoor: Migration = {
  name: '0013-git-door',
  statements: () => [`alter table repository add column allow_submodule_fetch boolean not null default false`],
};
