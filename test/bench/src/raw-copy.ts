import type pg from 'pg';

/** What pg hands a query that does its own talking; its own types leave the copy half out. */
interface CopyConnection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sync(): void;
}

/** One `COPY … FROM STDIN` of a text that is whole in memory: pg has the messages for it and no query that sends them. */
export class RawCopy {
  private settle: (error?: Error) => void = () => undefined;

  constructor(
    private readonly statement: string,
    private readonly data: Buffer,
  ) {}

  /** Resolves when it is committed. */
  on(client: pg.PoolClient): Promise<void> {
    return new Promise((resolve, reject) => {
      this.settle = (error) => (error === undefined ? resolve() : reject(error));
      client.query(this as unknown as pg.Submittable);
    });
  }

  submit(connection: CopyConnection): void {
    connection.query(this.statement);
  }
  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(this.data);
    connection.endCopyFrom();
  }
  handleCommandComplete(): void {
    // its end is told by handleReadyForQuery
  }
  handleReadyForQuery(): void {
    this.settle();
  }
  handleError(error: Error): void {
    this.settle(error);
  }
}
