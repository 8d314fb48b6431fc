import type { Answer } from '../router.js';
import { GitHubProblem } from '../problem.js';
import type { World } from '../world.js';
import type { Permissions } from './app-desk.js';

const NEW_APP = /^(?:\/organizations\/([\w-]+))?\/settings\/apps\/(new|confirm)$/;
const INSTALL = /^\/(?:github-)?apps\/([\w-]+)\/installations\/new$/;
const LOOPBACK = /^https?:\/\/(localhost|127\.|\[::1\])/;
/** Whoever has no organisation in the address. */
const PERSON = 'octocat';

interface Manifest {
  readonly name?: string;
  readonly url?: string;
  readonly redirect_url?: string;
  readonly setup_url?: string;
  readonly hook_attributes?: { readonly url?: string };
  readonly default_permissions?: Permissions;
  readonly default_events?: readonly string[];
}

/** The pages on which a person confirms an app and chooses its repositories; null: another page. */
export function appPage(world: World, method: string, url: URL, body: string): Answer | null {
  const form = new URLSearchParams(body);
  const [, organization, step] = NEW_APP.exec(url.pathname) ?? [];
  try {
    if (step === 'new' && method === 'POST') return confirmation(url, form.get('manifest') ?? '', organization);
    if (step === 'confirm' && method === 'POST') return register(world, form, organization ?? PERSON);
    const slug = INSTALL.exec(url.pathname)?.[1];
    if (slug === undefined) return null;
    return method === 'POST' ? install(world, slug, form) : choice(world, slug);
  } catch (error) {
    if (error instanceof GitHubProblem) return page(error.status, `<h1>Error</h1><p>${escape(error.message)}</p>`);
    throw error;
  }
}

function confirmation(url: URL, manifest: string, organization: string | undefined): Answer {
  const { name = '', default_permissions: permissions = {} } = read(manifest);
  const below = organization === undefined ? '' : `/organizations/${organization}`;
  const wanted = Object.entries(permissions).map(([key, level]) => `<li>${escape(key)}: ${escape(level)}</li>`);
  return page(
    200,
    `<h1>Create GitHub App</h1><ul>${wanted.join('')}</ul>
     <form method="post" action="${below}/settings/apps/confirm">
       <input type="hidden" name="manifest" value="${escape(manifest)}">
       <input type="hidden" name="state" value="${escape(url.searchParams.get('state') ?? '')}">
       <label>GitHub App name <input name="name" value="${escape(name)}"></label>
       <button>Create GitHub App</button></form>`,
  );
}

function register(world: World, form: URLSearchParams, owner: string): Answer {
  const manifest = read(form.get('manifest') ?? '');
  const secrets = world.apps.create({
    owner,
    name: form.get('name') ?? manifest.name ?? '',
    permissions: manifest.default_permissions ?? {},
    events: manifest.default_events ?? [],
    url: manifest.url!,
    setupUrl: manifest.setup_url ?? null,
    hookUrl: manifest.hook_attributes?.url ?? null,
  });
  const back = new URL(manifest.redirect_url!);
  back.searchParams.set('code', world.apps.codeFor(secrets));
  back.searchParams.set('state', form.get('state') ?? '');
  return { status: 302, headers: { location: back.href } };
}

function choice(world: World, slug: string): Answer {
  const { name } = world.apps.app(slug);
  const boxes = [...world.repositories.values()].map(
    ({ fullName }) =>
      `<label><input type="checkbox" name="repository" value="${escape(fullName)}" checked> ${escape(fullName)}</label>`,
  );
  return page(
    200,
    `<h1>Install ${escape(name)}</h1><form method="post">${boxes.join('')}<button>Install</button></form>`,
  );
}

function install(world: World, slug: string, form: URLSearchParams): Answer {
  const chosen = form.getAll('repository');
  const account = chosen[0]?.split('/')[0] ?? PERSON;
  const { id, app } = world.apps.install(
    slug,
    account,
    chosen.filter((name) => name.startsWith(`${account}/`)),
  );
  if (app.setupUrl === null) return page(200, '<h1>Installed</h1>');
  const back = new URL(app.setupUrl);
  back.searchParams.set('installation_id', String(id));
  back.searchParams.set('setup_action', 'install');
  return { status: 302, headers: { location: back.href } };
}

/** @throws GitHubProblem 422 in GitHub's words for what it would not take. */
function read(text: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch {
    throw new GitHubProblem(422, 'Error: manifest is not valid JSON');
  }
  const { name, url, redirect_url: back, hook_attributes: hook, default_events: events = [] } = manifest;
  if (!name || name.length > 34) throw new GitHubProblem(422, 'Name is too long (maximum is 34 characters)');
  if (!url || !URL.canParse(url)) throw new GitHubProblem(422, 'Url must be a valid URL');
  if (!back || !URL.canParse(back)) throw new GitHubProblem(422, 'redirect_url must be a valid URL');
  if (hook?.url !== undefined && LOOPBACK.test(hook.url))
    throw new GitHubProblem(422, "Hook url is not supported because it isn't reachable over the public Internet");
  if (events.length > 0 && hook?.url === undefined) throw new GitHubProblem(422, 'Default events need a hook url');
  return manifest;
}

function page(status: number, body: string): Answer {
  const headers = { 'content-type': 'text/html; charset=utf-8' };
  return { status, body: `<!doctype html><html lang="en"><meta charset="utf-8"><body>${body}</body></html>`, headers };
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
