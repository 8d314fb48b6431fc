import { BOUNDARY_VARIABLE } from '@capstan/domain';

/** The supervisor's whole environment: where programs are looked for, and whether agents must be in a boundary. */
export function searchPath(): string | undefined {
  return process.env['PATH'];
}

export function boundaryRequired(): boolean {
  return process.env[BOUNDARY_VARIABLE] === 'required';
}
