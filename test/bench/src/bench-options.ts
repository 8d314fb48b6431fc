import type { Form } from './regression.js';

/** What a bench is told of how it is to be run. */
export interface BenchOptions {
  readonly form: Form;
  /** For what a bench leaves lying about; emptied at the start. */
  readonly directory: string;
  /** How long `takeover` starves the processor, minutes; 0: not at all. */
  readonly starveMinutes: number;
}
