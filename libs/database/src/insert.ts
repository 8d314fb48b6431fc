import type { DataSource, EntityTarget, ObjectLiteral, QueryDeepPartialEntity } from 'typeorm';

export interface Statement {
  readonly sql: string;
  readonly values: unknown[];
}

/** One insert of all rows. A property that a row leaves out takes the column's default. */
export function insertStatement<Entity extends ObjectLiteral>(
  entities: DataSource,
  entity: EntityTarget<Entity>,
  rows: readonly QueryDeepPartialEntity<Entity>[],
): Statement {
  const metadata = entities.getMetadata(entity);
  const given = rows as readonly Readonly<Record<string, unknown>>[];
  const columns = metadata.columns.filter(({ propertyName }) => given.some((row) => row[propertyName] !== undefined));
  const values: unknown[] = [];
  const tuples = given.map((row) => {
    const cells = columns.map((column) => {
      const value = row[column.propertyName];
      if (value === undefined) return 'default';
      values.push(entities.driver.preparePersistentValue(value, column));
      return `$${values.length}`;
    });
    return `(${cells.join(',')})`;
  });
  const names = columns.map(({ databaseName }) => `"${databaseName}"`).join(',');
  return { sql: `insert into "${metadata.tableName}" (${names}) values ${tuples.join(',')}`, values };
}

/** The columns of some properties as `set` assigns them, e.g. `"title" = $3`, and their values. */
export function assignments<Entity extends ObjectLiteral>(
  entities: DataSource,
  entity: EntityTarget<Entity>,
  patch: Readonly<Record<string, unknown>>,
  firstParameter: number,
): Statement {
  const metadata = entities.getMetadata(entity);
  const columns = metadata.columns.filter(({ propertyName }) => patch[propertyName] !== undefined);
  return {
    sql: columns.map(({ databaseName }, index) => `"${databaseName}" = $${firstParameter + index}`).join(', '),
    values: columns.map((column) => entities.driver.preparePersistentValue(patch[column.propertyName], column)),
  };
}
