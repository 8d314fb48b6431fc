import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';

/** What the SPA's page may load: its own files, and exactly its own inline scripts. */
export function contentSecurityPolicy(page: string): Record<string, string[]> {
  const inline = [...page.matchAll(/<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/g)].map(
    ([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  );
  return {
    'default-src': ["'self'"],
    'script-src': ["'self'", ...inline],
    'style-src': ["'self'"],
    // Style attributes, which positioned overlays need, can't load or run anything.
    'style-src-attr': ["'unsafe-inline'"],
    'img-src': ["'self'", 'data:'],
    'connect-src': ["'self'"],
    'font-src': ["'self'"],
    'object-src': ["'none'"],
    'base-uri': ["'none'"],
    'form-action': ["'self'"],
    'frame-ancestors': ["'none'"],
  };
}

/** Security headers for everything that the gateway answers. @param secure whether people come over https. */
export function securityHeaders(csp: Record<string, string[]>, secure: boolean) {
  return helmet({
    contentSecurityPolicy: { useDefaults: false, directives: csp },
    strictTransportSecurity: secure ? { maxAge: 31_536_000 } : false,
    crossOriginEmbedderPolicy: false,
    referrerPolicy: { policy: 'no-referrer' },
  });
}

const MISSING = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Capstan</title>
<p>The dashboard is not built yet. Run <code>npm run build</code>; the API is at <a href="/api/docs">/api/docs</a>.</p></html>`;

/** The built page; a plain word about how to build it where it is missing. */
export function readPage(webDir: string): { readonly html: string; readonly built: boolean } {
  try {
    return { html: readFileSync(join(webDir, 'index.html'), 'utf8'), built: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { html: MISSING, built: false };
  }
}

/** Addresses that belong to machines: an unknown one is 404, never the page. */
const MACHINES = /^\/(api|hooks|socket\.io|_app|healthz|livez|readyz|metrics)(\/|$)/;

/** Answers every other GET with the page: its router knows which address means what. */
export function servePage(html: string) {
  return (request: Request, response: Response, next: NextFunction): void => {
    if ((request.method !== 'GET' && request.method !== 'HEAD') || MACHINES.test(request.path)) return next();
    response.setHeader('cache-control', 'no-cache');
    response.type('html').send(html);
  };
}

/** Hashed files never change; everything else is asked for anew. */
export function cacheHeader(response: { setHeader(name: string, value: string): unknown }, path: string): void {
  const forever = /[/\\]_app[/\\]immutable[/\\]/.test(path);
  response.setHeader('cache-control', forever ? 'public, max-age=31536000, immutable' : 'no-cache');
}
