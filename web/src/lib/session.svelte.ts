import { goto } from '$app/navigation';
import { call } from './api/client.ts';
import { connection } from './live/connection.svelte.ts';
import type { Me } from './api/types.ts';

/** Who is signed in, and where. */
class Session {
  me = $state.raw<Me | null>(null);

  can(permission: string): boolean {
    return this.me?.permissions.includes(permission) ?? false;
  }

  async load(): Promise<void> {
    this.me = await call('me');
  }

  /** Takes over what sign-in or set-up answered. */
  begin(me: Me): void {
    this.me = me;
  }

  /** Somebody leaves of their own will: what is refused meanwhile is no loss, and nothing to come back to. */
  private leaving = false;

  /** The session is gone: to set-up on a new installation, else to sign-in and back here afterwards. */
  async lost(): Promise<void> {
    if (this.leaving) return;
    this.me = null;
    connection.stop();
    const here = location.pathname + location.search;
    if (location.pathname === '/sign-in' || location.pathname === '/setup') return;
    const { needed } = await call('setUpStatus').catch(() => ({ needed: false }));
    await goto(needed ? '/setup' : `/sign-in${here === '/' ? '' : `?next=${encodeURIComponent(here)}`}`, {
      replace: true,
    });
  }

  async signOut(): Promise<void> {
    this.leaving = true;
    try {
      await call('signOut');
      this.me = null;
      connection.stop();
      await goto('/sign-in');
    } finally {
      this.leaving = false;
    }
  }
}

export const session = new Session();
