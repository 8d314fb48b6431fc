import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { LIVE_NAMESPACE, LIVE_PATH, routes } from '@capstan/api';
import { Server } from 'socket.io';
import { logLine } from './fake-log.mjs';
import { makeHandlers, Refusal } from './fake-handlers.mjs';
import { runsOf } from './fake-views.mjs';
import { makeWorld } from './fake-world.mjs';

const BUILD = join(import.meta.dirname, '../build');
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

/**
 * A gateway for developing the dashboard: the contract's routes over data in memory, requests and answers checked by
 * the contract's own schemas, `/live` with a run that writes without end, and the built files. It keeps no state, knows
 * one user and imitates no service behind the routes.
 */
export async function startFakeGateway({ port = 4199, world = makeWorld(), linesPerSecond = 30 } = {}) {
  let live;
  const announce = (message) => live?.emit('invalidate', message);
  const handlers = makeHandlers(world, announce);
  const table = Object.entries(routes).map(([name, route]) => ({
    name,
    route,
    pattern: new RegExp(`^${route.path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`),
  }));

  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const work = url.pathname.startsWith('/api/')
      ? serveApi(request, response, url)
      : serveFile(response, url.pathname);
    work.catch((error) =>
      answer(response, 500, {
        type: 'about:blank',
        title: 'Bug',
        status: 500,
        code: 'bug',
        detail: String(error),
        requestId: 'fake',
      }),
    );
  });
  const io = new Server(server, { path: LIVE_PATH, transports: ['websocket'] });
  live = io.of(LIVE_NAMESPACE);
  live.on('connection', (socket) => {
    socket.emit('links', world.links);
    socket.on('follow', ({ runId }, reply) => {
      void socket.join(runId);
      try {
        reply(handlers.headOfRun(runId));
      } catch (error) {
        reply({ error: error.message });
      }
    });
    socket.on('unfollow', ({ runId }) => void socket.leave(runId));
  });

  async function serveApi(request, response, url) {
    const found = table
      .map((entry) => ({ ...entry, match: entry.pattern.exec(url.pathname) }))
      .find(({ match, route }) => match && route.method === request.method);
    if (found === undefined) return refuse(response, new Refusal(404, 'not_found', 'There is no such route.'));
    const { name, route, match } = found;
    if (route.permission !== 'public' && !world.signedIn)
      return refuse(response, new Refusal(401, 'unauthenticated', 'There is no session.'));
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    try {
      const params = checked(route.params, { ...match.groups }, 'params');
      const query = checked(route.query, Object.fromEntries(url.searchParams), 'query');
      const body = checked(route.body, text === '' ? undefined : JSON.parse(text), 'body');
      const result = handlers[name]({ params, query, body });
      const [status, value] = Array.isArray(result) ? result : [route.status ?? 200, result];
      answer(response, status, route.answer === undefined ? undefined : route.answer.parse(value));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refuse(response, error);
    }
  }

  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const liveTask = world.tasks.find(({ isLive }) => isLive);
  const runId = liveTask === undefined ? null : runsOf(liveTask)[0].id;
  const writing = setInterval(() => {
    if (runId === null || linesPerSecond === 0) return;
    const lines = Array.from({ length: Math.max(1, Math.round(linesPerSecond / 5)) }, () =>
      logLine(++world.liveHead, world.startedAt),
    );
    live.to(runId).emit('log', { runId, lines });
  }, 200);
  return {
    world,
    announce,
    setLinks: (links) => live.emit('links', (world.links = links)),
    close: () => (clearInterval(writing), io.close()),
  };
}

function checked(schema, value, where) {
  if (schema === undefined) return value;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
  throw new Refusal(400, 'invalid_request', `The ${where} is not as the contract says.`, { issues });
}

function refuse(response, { status, code, message, more }) {
  answer(response, status, {
    type: 'about:blank',
    title: status === 409 ? 'Conflict' : 'Refused',
    status,
    code,
    detail: message,
    requestId: crypto.randomUUID(),
    ...more,
  });
}

function answer(response, status, value) {
  response.writeHead(status, { 'content-type': status >= 400 ? 'application/problem+json' : 'application/json' });
  response.end(value === undefined ? undefined : JSON.stringify(value));
}

async function serveFile(response, path) {
  const wanted = join(BUILD, normalize(path));
  const file = wanted.startsWith(BUILD) && extname(path) !== '' ? await readFile(wanted).catch(() => null) : null;
  response.writeHead(200, {
    'content-type': TYPES[file === null ? '.html' : extname(path)] ?? 'application/octet-stream',
  });
  response.end(file ?? (await readFile(join(BUILD, 'index.html'))));
}
