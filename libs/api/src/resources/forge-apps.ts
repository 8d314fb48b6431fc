import { z } from 'zod';
import { route } from '../route.js';
import { IdSchema, Instant } from './common.js';

const ForgeName = z.enum(['github']);

export const ForgeApp = z
  .object({
    id: IdSchema,
    forge: ForgeName,
    apiUrl: z.string(),
    slug: z.string(),
    name: z.string(),
    owner: z.string(),
    url: z.string().meta({ description: 'Its page at the forge' }),
    installUrl: z.string().meta({ description: 'Where people choose the repositories that it is for' }),
    credentialSecret: z.string().meta({
      description: 'Secret with its private key; a repository with this credentialSecret is reached as the app',
    }),
    deliversWebhooks: z.boolean(),
    repositories: z.number().int().meta({ description: 'Repositories that are reached as this app' }),
    createdAt: Instant,
  })
  .meta({ id: 'ForgeApp' });
export type ForgeApp = z.infer<typeof ForgeApp>;

const ForgeInstallation = z
  .object({
    account: z.string(),
    allRepositories: z.boolean(),
    suspended: z.boolean(),
    missing: z.array(z.string()).meta({ description: 'Permissions that it lacks, as the forge calls them' }),
    settingsUrl: z.string(),
  })
  .meta({ id: 'ForgeInstallation' });

const AppParams = z.strictObject({ forgeAppId: IdSchema });

export const forgeAppRoutes = {
  listForgeApps: route({
    method: 'GET',
    path: '/api/forge-apps',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Apps that were registered at forges for this workspace',
    answer: z.object({ items: z.array(ForgeApp) }),
  }),
  beginForgeApp: route({
    method: 'POST',
    path: '/api/forge-apps/manifests',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Begin to register an app: a page that takes the browser to the forge, good for an hour',
    body: z.strictObject({
      forge: ForgeName.default('github'),
      apiUrl: z
        .url({ protocol: /^https?$/ })
        .max(500)
        .default('https://api.github.com'),
      organization: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,38}$/, 'the name of an organisation as in its address')
        .nullable()
        .default(null)
        .meta({ description: 'Who the app belongs to; null: the person who confirms it' }),
    }),
    answer: z.object({ page: z.string().meta({ description: 'Address of the page, on this host' }) }),
  }),
  createForgeApp: route({
    method: 'POST',
    path: '/api/forge-apps',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Take the app over with the code that the forge gave the browser; its key is stored encrypted',
    body: z.strictObject({ code: z.string().min(1).max(200), state: z.string().min(1).max(4_000) }),
    answer: ForgeApp,
    status: 201,
  }),
  forgeAppInstallations: route({
    method: 'GET',
    path: '/api/forge-apps/:forgeAppId/installations',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Where an app is installed, as the forge says now',
    params: AppParams,
    answer: z.object({ items: z.array(ForgeInstallation) }),
  }),
  deleteForgeApp: route({
    method: 'DELETE',
    path: '/api/forge-apps/:forgeAppId',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Forget an app that no repository uses, with its key; at the forge it stays until it is deleted there',
    params: AppParams,
    status: 204,
  }),
} as const;
