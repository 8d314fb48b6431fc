import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Res } from '@nestjs/common';
import type { Response } from 'express';
import { openApiDocument } from '@capstan/api';
import type { Ask } from '../http/ask.js';
import { ServesPage } from '../http/serves.js';
import { VERSION } from '../version.js';

const FILES = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
} as const;

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Capstan API</title>
    <link rel="stylesheet" href="/api/docs/swagger-ui.css" />
  </head>
  <body>
    <div id="api"></div>
    <script src="/api/docs/swagger-ui-bundle.js"></script>
    <script src="/api/docs/start.js"></script>
  </body>
</html>
`;
const START = `SwaggerUIBundle({ url: '/api/openapi.json', dom_id: '#api', deepLinking: true, validatorUrl: null, docExpansion: 'list' });\n`;

/** Swagger UI styles its own elements as it goes; it stands alone on this page. */
const PAGE_POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** The contract as OpenAPI, and a page to read it, without a request to anywhere else. */
@Controller()
export class DocsController {
  private readonly document = JSON.stringify(openApiDocument(VERSION));
  private readonly files = dirname(
    createRequire(join(import.meta.dirname, 'x.js')).resolve('swagger-ui-dist/package.json'),
  );

  @ServesPage('/api/openapi.json', 'workspace.read')
  openApi(_ask: Ask, @Res() response: Response): void {
    response.type('application/json').send(this.document);
  }

  @ServesPage('/api/docs', 'workspace.read')
  page(_ask: Ask, @Res() response: Response): void {
    response.setHeader('content-security-policy', PAGE_POLICY);
    response.type('html').send(PAGE);
  }

  @ServesPage('/api/docs/start.js', 'workspace.read')
  start(_ask: Ask, @Res() response: Response): void {
    response.type('text/javascript').send(START);
  }

  @ServesPage('/api/docs/swagger-ui.css', 'workspace.read')
  style(_ask: Ask, @Res() response: Response): void {
    this.send(response, 'swagger-ui.css');
  }

  @ServesPage('/api/docs/swagger-ui-bundle.js', 'workspace.read')
  script(_ask: Ask, @Res() response: Response): void {
    this.send(response, 'swagger-ui-bundle.js');
  }

  private send(response: Response, name: keyof typeof FILES): void {
    response.sendFile(join(this.files, name), {
      headers: { 'content-type': FILES[name], 'cache-control': 'private, max-age=86400' },
    });
  }
}
