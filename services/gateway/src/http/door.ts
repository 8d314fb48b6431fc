import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import type { Logger } from '@capstan/service-kit';
import type { GatewayConfig } from '../gateway.config.js';
import { deliveriesDoor } from '../hooks/deliveries-door.js';
import { Live } from '../live/live.js';
import { cacheHeader, contentSecurityPolicy, readPage, securityHeaders, servePage } from '../web/dashboard.js';
import { assertHost, assertOrigin } from './origin.js';
import { GatewayProblemFilter } from './problem.filter.js';
import { writeProblem } from './problem.js';

/** What every request passes before it meets a handler, in order. */
export function openDoor(app: NestExpressApplication, config: GatewayConfig, logger: Logger): void {
  const page = readPage(config.webDir);
  if (!page.built) logger.warn({ web_dir: config.webDir }, 'the dashboard is not built: only the API is served');
  // The last one that is given comes first.
  app.useGlobalFilters(new GatewayProblemFilter(logger));
  app.set('trust proxy', config.trustedProxies);
  app.set('etag', false);
  app.use(securityHeaders(contentSecurityPolicy(page.html), config.publicUrl?.startsWith('https:') ?? false));
  app.use('/healthz', (request: Request, response: Response, next: NextFunction) => {
    if (request.method !== 'GET' || request.path !== '/') return next();
    response.json({ status: 'ok' });
  });
  // Forges deliver under any name that leads here; a signature is what lets them in.
  app.use(deliveriesDoor(config.webhooksUrl, logger));
  app.use((request: Request, response: Response, next: NextFunction) => {
    try {
      assertHost(request, config);
      assertOrigin(request, config);
    } catch (error) {
      return writeProblem(response, error, logger);
    }
    if (request.path.startsWith('/api')) response.setHeader('cache-control', 'no-store');
    next();
  });
  if (page.built) app.useStaticAssets(config.webDir, { index: false, redirect: false, setHeaders: cacheHeader });
  app.use(servePage(page.html));
  app.get(Live).attach(app.getHttpServer());
}
