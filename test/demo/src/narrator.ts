import { stdout } from 'node:process';

/** Tells a person what happens, each step with its time. */
export class Narrator {
  private readonly began = performance.now();

  constructor(private readonly colour: boolean) {}

  headline(text: string): void {
    stdout.write(`\n${this.bold(text)}\n`);
  }

  /** One step that is done. */
  step(text: string, seconds?: number): void {
    const at = ((performance.now() - this.began) / 1000).toFixed(1).padStart(6);
    const took = seconds === undefined ? '' : this.dim(`  ${seconds.toFixed(2)} s`);
    stdout.write(`${this.dim(`${at} s`)}  ${this.green('✓')} ${text}${took}\n`);
  }

  detail(text: string): void {
    stdout.write(`          ${this.dim(text)}\n`);
  }

  plain(text: string): void {
    stdout.write(`${text}\n`);
  }

  private paint(code: number, text: string): string {
    return this.colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
  private bold(text: string): string {
    return this.paint(1, text);
  }
  private dim(text: string): string {
    return this.paint(2, text);
  }
  private green(text: string): string {
    return this.paint(32, text);
  }
}
