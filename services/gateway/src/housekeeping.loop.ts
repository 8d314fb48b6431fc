import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database } from '@capstan/database';
import { Loops } from '@capstan/service-kit';

const EVERY_MS = 15 * 60_000;

/** Forgets what has had its time: sessions, links, counted attempts, kept answers. */
@Injectable()
export class HousekeepingLoop implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
  ) {}

  onModuleInit(): void {
    this.loops.every({ name: 'housekeeping', everyMs: EVERY_MS, pass: () => this.clean() });
  }

  async clean(): Promise<void> {
    await this.database.query('delete from session where expires_at < now()');
    await this.database.query('delete from sign_in_link where expires_at < now()');
    await this.database.query(
      `delete from sign_in_attempt where updated_at < now() - interval '1 day' and (locked_until is null or locked_until < now())`,
    );
    // A client that repeats a request does so within minutes.
    await this.database.query(`delete from idempotency where created_at < now() - interval '2 days'`);
  }
}
