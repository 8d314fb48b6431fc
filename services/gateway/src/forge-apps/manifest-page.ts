import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { ForgeAppForm } from '@capstan/forges';

const SCRIPT = 'document.forms[0].submit();';
const HASH = `'sha256-${createHash('sha256').update(SCRIPT).digest('base64')}'`;

/** A page that posts the form by itself, and may do so at that forge alone; without scripts it has a button. */
export function manifestPage({ action, fields }: ForgeAppForm): { readonly html: string; readonly policy: string } {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`,
  );
  const { host, origin } = new URL(action);
  return {
    html: `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>To ${escaped(host)}</title>
<form method="post" action="${escaped(action)}">${inputs.join('')}<p>You confirm the app on ${escaped(host)}. <button>Go on</button></p></form>
<script>${SCRIPT}</script></html>`,
    policy: `default-src 'none'; script-src ${HASH}; form-action ${origin}; base-uri 'none'; frame-ancestors 'none'`,
  };
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Whether somebody on the internet may reach an address, as far as its name tells. */
export function isPublicAddress(address: string): boolean {
  const { hostname } = new URL(address);
  return (
    isIP(hostname.replace(/^\[|\]$/g, '')) === 0 && /\.[a-z][a-z0-9-]*$/i.test(hostname) && !PRIVATE.test(hostname)
  );
}

/** Names that stand for no host of the internet (RFC 6762, 6761, 8375, ICANN's .internal). */
const PRIVATE = /\.(local|localhost|internal|test|invalid|example|home\.arpa|lan|intranet|corp)$/i;
