import { UserError } from '@capstan/domain';
import type { ForgeAppForm, ForgeAppRegistration, ForgeAppRequest } from '../../forge.port.js';
import { GitHubClient } from '../client.js';
import { loginOf, type AppCalls } from './installation.js';
import { APP_PERMISSIONS } from './permissions-needed.js';

/** What pull requests, checks and tickets are followed by. */
const EVENTS = [
  'check_run',
  'check_suite',
  'issue_comment',
  'issues',
  'pull_request',
  'pull_request_review',
  'pull_request_review_comment',
  'push',
  'status',
];
/** GitHub takes no longer name. */
const MAX_NAME = 34;

/** The form that a browser sends to GitHub, where its person confirms it. */
export function registrationForm(wanted: ForgeAppRequest): ForgeAppForm {
  const { apiUrl, name, homeUrl, returnUrl, hookUrl, organization, state } = wanted;
  const below = organization === null ? '' : `/organizations/${encodeURIComponent(organization)}`;
  const manifest = {
    name: name.slice(0, MAX_NAME),
    url: homeUrl,
    description: 'Turns tickets into merged pull requests.',
    public: false,
    redirect_url: returnUrl,
    setup_url: returnUrl,
    setup_on_update: true,
    default_permissions: APP_PERMISSIONS,
    // GitHub refuses an address that it can't reach; without one Capstan looks for itself.
    ...(hookUrl === null ? {} : { hook_attributes: { url: hookUrl, active: true }, default_events: EVENTS }),
  };
  return {
    action: `${webRoot(apiUrl)}${below}/settings/apps/new?state=${encodeURIComponent(state)}`,
    fields: { manifest: JSON.stringify(manifest) },
  };
}

/** Exchanges the code that GitHub gave the browser; it is good once, for an hour. */
export async function convertManifest(
  apiUrl: string,
  code: string,
  { timeoutMs }: Pick<AppCalls, 'timeoutMs'>,
): Promise<ForgeAppRegistration> {
  if (!/^[\w-]{1,100}$/.test(code)) throw codeRefused('it is no code of GitHub');
  const client = new GitHubClient(apiUrl.replace(/\/+$/, ''), null, { timeoutMs });
  const result = await client.write('exchange the code for the app', [404, 422], undefined, (rest, request) =>
    rest.apps.createFromManifest({ code, request }),
  );
  if ('refusal' in result) throw codeRefused(result.refusal.words);
  const { data } = result.value;
  return {
    appId: data.id,
    slug: data.slug ?? String(data.id),
    name: data.name,
    owner: loginOf(data.owner),
    url: data.html_url,
    privateKey: data.pem,
    webhookSecret: data.webhook_secret,
  };
}

function codeRefused(said: string): UserError {
  return new UserError(`GitHub did not take the code for the app: ${said}`, {
    code: 'app_code_refused',
    status: 422,
    field: 'code',
  });
}

/** Where people choose the repositories of an app. */
export function installationUrl({ apiUrl, slug }: { readonly apiUrl: string; readonly slug: string }): string {
  const root = webRoot(apiUrl);
  // Enterprise Server keeps its public pages of apps below another name.
  const pages = /\/api\/v3\/?$/.test(apiUrl) ? 'github-apps' : 'apps';
  return `${root}/${pages}/${encodeURIComponent(slug)}/installations/new`;
}

/** The pages that belong to an API: github.com, a ghe.com subdomain, or an Enterprise Server. */
function webRoot(apiUrl: string): string {
  const url = new URL(apiUrl);
  if (/^api\.(github\.com|[\w-]+\.ghe\.com)$/.test(url.hostname)) url.hostname = url.hostname.slice('api.'.length);
  return url.origin;
}
