import type { ClientToServer, Invalidation, Links, LogBatch, LogHead, ServerToClient } from '@capstan/api';
import type { Socket } from 'socket.io-client';

export type ConnectionPhase = 'connecting' | 'live' | 'catching_up' | 'offline';
export type LinkName = 'gateway' | 'postgres' | 'nats';

/** Same values as the contract's LIVE_NAMESPACE and LIVE_PATH (a spec compares them): importing those would bring zod. */
export const NAMESPACE = '/live';
export const SOCKET_PATH = '/socket.io';

const FOLLOW_TIMEOUT_MS = 5_000;
/** While NATS is down nothing is announced: what is shown is read again this often. */
const BLIND_POLL_MS = 5_000;

interface Listeners {
  readonly invalidate: Set<(message: Invalidation) => void>;
  readonly log: Set<(batch: LogBatch) => void>;
  readonly head: Set<(head: LogHead) => void>;
  /** The link came up (again): whatever was missed has to be read. */
  readonly up: Set<() => void>;
  readonly down: Set<() => void>;
}

/** The one socket of this page, and what may honestly be said about it. */
class Connection {
  connected = $state(false);
  everConnected = $state(false);
  links = $state<Links | null>(null);
  /** Since when the present phase holds, ms since 1970. */
  since = $state(Date.now());
  attempt = $state(0);
  #catchingUp = $state(0);
  #socket: Socket<ServerToClient, ClientToServer> | null = null;
  #poll: ReturnType<typeof setInterval> | null = null;
  readonly #listeners: Listeners = {
    invalidate: new Set(),
    log: new Set(),
    head: new Set(),
    up: new Set(),
    down: new Set(),
  };

  /** Links that are known to be down, nearest first. */
  readonly down = $derived.by((): LinkName[] => {
    if (!this.connected) return this.everConnected || this.attempt > 1 ? ['gateway'] : [];
    const links = this.links;
    if (links === null) return [];
    return [...(links.postgres ? [] : ['postgres' as const]), ...(links.nats ? [] : ['nats' as const])];
  });

  readonly phase = $derived.by((): ConnectionPhase => {
    if (this.down.length > 0) return 'offline';
    if (!this.connected) return 'connecting';
    return this.#catchingUp > 0 ? 'catching_up' : 'live';
  });

  async start(): Promise<void> {
    if (this.#socket !== null) return;
    const { io } = await import('socket.io-client');
    if (this.#socket !== null) return;
    const socket: Socket<ServerToClient, ClientToServer> = io(NAMESPACE, {
      path: SOCKET_PATH,
      transports: ['websocket'],
      reconnectionDelay: 300,
      reconnectionDelayMax: 2_000,
      timeout: 5_000,
    });
    this.#socket = socket;
    socket.on('connect', () => this.#isUp());
    socket.on('disconnect', (reason) => {
      this.#isDown();
      // The server ended it (a restart of the gateway does): Socket.IO leaves coming back to us then.
      if (reason === 'io server disconnect') socket.connect();
    });
    socket.on('connect_error', () => {
      this.attempt++;
      if (!socket.active) setTimeout(() => socket.connect(), 2_000);
    });
    socket.on('links', (links) => this.#setLinks(links));
    socket.on('invalidate', (message) => this.#listeners.invalidate.forEach((listener) => listener(message)));
    socket.on('log', (batch) => this.#listeners.log.forEach((listener) => listener(batch)));
    socket.on('head', (head) => this.#listeners.head.forEach((listener) => listener(head)));
  }

  stop(): void {
    this.#socket?.disconnect();
    this.#socket = null;
    this.connected = false;
    this.everConnected = false;
    this.links = null;
    this.attempt = 0;
    this.#setPolling(false);
  }

  on<Name extends keyof Listeners>(
    name: Name,
    listener: Listeners[Name] extends Set<infer One> ? One : never,
  ): () => void {
    const listeners = this.#listeners[name] as Set<unknown>;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Says "catching up" for as long as something that was missed is being read. Call the answer once when it is level. */
  catchUp(): () => void {
    this.#catchingUp++;
    let done = false;
    return () => {
      if (done) return;
      done = true;
      this.#catchingUp--;
    };
  }

  async follow(runId: string): Promise<{ head: number; ended: boolean }> {
    if (this.#socket === null || !this.connected) throw new Error('The live link is down.');
    const answer = await this.#socket.timeout(FOLLOW_TIMEOUT_MS).emitWithAck('follow', { runId });
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  }

  unfollow(runId: string): void {
    if (this.connected) this.#socket?.emit('unfollow', { runId });
  }

  #isUp(): void {
    this.connected = true;
    this.everConnected = true;
    this.attempt = 0;
    this.since = Date.now();
    this.#listeners.up.forEach((listener) => listener());
  }

  #isDown(): void {
    if (this.connected) this.since = Date.now();
    this.connected = false;
    this.links = null;
    this.#setPolling(false);
    this.#listeners.down.forEach((listener) => listener());
  }

  #setLinks(links: Links): void {
    const before = this.links;
    this.links = links;
    if (before !== null && (before.nats !== links.nats || before.postgres !== links.postgres)) this.since = Date.now();
    this.#setPolling(!links.nats);
    const cameBack = before !== null && ((links.nats && !before.nats) || (links.postgres && !before.postgres));
    if (cameBack) this.#listeners.up.forEach((listener) => listener());
  }

  #setPolling(wanted: boolean): void {
    if (wanted === (this.#poll !== null)) return;
    if (this.#poll !== null) clearInterval(this.#poll);
    this.#poll = wanted ? setInterval(() => this.#listeners.up.forEach((listener) => listener()), BLIND_POLL_MS) : null;
  }
}

export const connection = new Connection();
