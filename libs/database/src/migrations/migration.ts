/** One step of the schema. Expand first; contract one release later. */
export interface Migration {
  /** `NNNN-words`; the order of names is the order of steps. */
  readonly name: string;
  /** Statements of one transaction. */
  statements(): readonly string[];
}
