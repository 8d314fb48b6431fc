import { SUPERVISOR_EXIT } from '@capstan/domain';

/** A refusal that the caller can act on: printed as `{"error":{code,message}}`, with this exit code. */
export class SupervisorFault extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly exitCode: number = SUPERVISOR_EXIT.failed,
  ) {
    super(message);
    this.name = 'SupervisorFault';
  }
}

export function notFound(runId: string): SupervisorFault {
  return new SupervisorFault('run_not_found', `no run ${runId} was launched here`, SUPERVISOR_EXIT.notFound);
}

export function fenced(epoch: number, highest: number): SupervisorFault {
  return new SupervisorFault(
    'fenced',
    `epoch ${epoch} was overtaken: epoch ${highest} has this run`,
    SUPERVISOR_EXIT.fenced,
  );
}

/** The `code` of a Node system error (`ENOENT` …), or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code: unknown = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Runs `read`; a missing file gives undefined, every other failure is thrown on. */
export function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
