import { z } from 'zod';
import { ROLES } from '../permissions.js';
import { route } from '../route.js';
import { IdSchema, Instant } from './common.js';

const Email = z.email().max(200);
const Password = z.string().min(10, 'at least 10 characters').max(200);

export const Me = z
  .object({
    user: z.object({ id: IdSchema, email: z.string(), name: z.string() }),
    workspace: z.object({
      id: IdSchema,
      name: z.string(),
      slug: z.string(),
      pausedAt: Instant.nullable(),
      pausedBy: z.string().nullable().meta({ description: 'Name of who paused it' }),
    }),
    role: z.enum(ROLES),
    permissions: z.array(z.string()),
    isolation: z.enum(['isolated', 'not_isolated', 'unknown']).meta({
      description: 'not_isolated: agents here can reach this machine and its network; unknown: no pod stands yet',
    }),
    version: z.string(),
  })
  .meta({ id: 'Me' });
export type Me = z.infer<typeof Me>;

export const SetUpBody = z.strictObject({
  token: z.string().min(20).max(200).meta({ description: 'From the one-time link that the first start prints' }),
  name: z.string().trim().min(1).max(100),
  email: Email,
  password: Password,
  workspaceName: z.string().trim().min(1).max(100).default('My workspace'),
});

export const SignInBody = z.strictObject({ email: Email, password: z.string().min(1).max(200) });

export const AccessToken = z
  .object({
    id: IdSchema,
    name: z.string(),
    createdAt: Instant,
    lastUsedAt: Instant.nullable(),
  })
  .meta({ id: 'AccessToken' });

export const accessRoutes = {
  setUpStatus: route({
    method: 'GET',
    path: '/api/set-up',
    permission: 'public',
    tag: 'access',
    summary: 'Whether this installation still has to be set up',
    answer: z.object({ needed: z.boolean() }),
  }),
  setUp: route({
    method: 'POST',
    path: '/api/set-up',
    permission: 'public',
    tag: 'access',
    summary: 'Make the first user and workspace, and sign in; works once',
    body: SetUpBody,
    answer: Me,
    status: 201,
  }),
  signIn: route({
    method: 'POST',
    path: '/api/sign-in',
    permission: 'public',
    tag: 'access',
    summary: 'Sign in with a password; five wrong ones lock the account and the address for 15 minutes',
    body: SignInBody,
    answer: Me,
  }),
  redeemLink: route({
    method: 'POST',
    path: '/api/sign-in/link',
    permission: 'public',
    tag: 'access',
    summary: 'Sign in with a one-time link that the terminal printed; loopback only',
    body: z.strictObject({ token: z.string().min(20).max(200) }),
    answer: Me,
  }),
  createLink: route({
    method: 'POST',
    path: '/api/sign-in/links',
    permission: 'workspace.read',
    tag: 'access',
    summary: 'Make a one-time sign-in link for me, good for ten minutes on this machine: /sign-in#link=TOKEN',
    answer: z.object({ token: z.string(), path: z.string(), expiresAt: Instant }),
    status: 201,
  }),
  signOut: route({
    method: 'POST',
    path: '/api/sign-out',
    permission: 'workspace.read',
    tag: 'access',
    summary: 'End this session',
    status: 204,
  }),
  me: route({
    method: 'GET',
    path: '/api/me',
    permission: 'workspace.read',
    tag: 'access',
    summary: 'Who is asking, and where',
    answer: Me,
  }),
  listTokens: route({
    method: 'GET',
    path: '/api/tokens',
    permission: 'workspace.read',
    tag: 'access',
    summary: 'My access tokens, without their values',
    answer: z.object({ items: z.array(AccessToken) }),
  }),
  createToken: route({
    method: 'POST',
    path: '/api/tokens',
    permission: 'workspace.read',
    tag: 'access',
    summary: 'Make an access token; its value is shown this once',
    body: z.strictObject({ name: z.string().trim().min(1).max(100) }),
    answer: AccessToken.extend({ token: z.string() }).meta({ id: 'NewAccessToken' }),
    status: 201,
  }),
  revokeToken: route({
    method: 'DELETE',
    path: '/api/tokens/:tokenId',
    permission: 'workspace.read',
    tag: 'access',
    summary: 'Revoke one of my access tokens',
    params: z.strictObject({ tokenId: IdSchema }),
    status: 204,
  }),
} as const;
