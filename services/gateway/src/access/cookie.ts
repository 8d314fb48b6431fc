import type { IncomingMessage } from 'node:http';
import { nameOf } from '../http/origin.js';
import { SESSION_COOKIE, SESSION_DAYS } from './sessions.js';

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The session's value in a Cookie header; null when it has none. */
export function sessionCookie(header: string | undefined): string | null {
  for (const part of (header ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2);
    if (name === SESSION_COOKIE && value !== undefined && /^[\w-]{20,100}$/.test(value)) return value;
  }
  return null;
}

/** Set-Cookie for a session. Without Secure only over plain HTTP to this very machine. */
export function setSessionCookie(request: IncomingMessage, value: string): string {
  return [`${SESSION_COOKIE}=${value}`, `Max-Age=${SESSION_DAYS * 86_400}`, ...attributes(request)].join('; ');
}

export function clearSessionCookie(request: IncomingMessage): string {
  return [`${SESSION_COOKIE}=`, 'Max-Age=0', ...attributes(request)].join('; ');
}

function attributes(request: IncomingMessage): string[] {
  const plain = LOOPBACK_NAMES.has(nameOf(request.headers.host ?? '')) && !('encrypted' in request.socket);
  return ['Path=/', 'HttpOnly', 'SameSite=Lax', ...(plain ? [] : ['Secure'])];
}
