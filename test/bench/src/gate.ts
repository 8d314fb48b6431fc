import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file that agents wait for. */
export class Gate {
  readonly path: string;

  constructor(directory: string, name: string) {
    this.path = join(directory, name);
    rmSync(this.path, { force: true });
  }

  open(): void {
    writeFileSync(this.path, '');
  }
}
