import type { Migration } from './migration.js';

/**
 * The same binding as before (a transaction that names a workspace sees only that one), in words that the planner can
 * count with: `coalesce(…, workspace_id::text) = workspace_id::text` looked to it like one row in two hundred, so that
 * it read the tasks once for each repository; and it wrote two ids as text for every row. A comparison of the column
 * with a value known beforehand has the column's own statistics. A setting that is no id is an error now.
 */
const BOUND = `workspace_id = nullif(current_setting('capstan.workspace', true), '')::uuid
  or coalesce(current_setting('capstan.workspace', true), '') = ''`;

/** Rebinds each tenant table that there is. */
export const tenantBound: Migration = {
  name: '0005-tenant-bound',
  statements: () => [
    `do $rebind$
     declare bound record;
     begin
       for bound in select tablename from pg_policies where policyname = 'workspace_bound' and schemaname = current_schema() loop
         execute format($policy$alter policy workspace_bound on %I using (${BOUND}) with check (${BOUND})$policy$, bound.tablename);
       end loop;
     end $rebind$`,
  ],
};
