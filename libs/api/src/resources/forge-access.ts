import { z } from 'zod';
import { route } from '../route.js';
import { IdSchema } from './common.js';
import { FullName, HttpUrl, SecretName } from './settings.js';

const PermissionNeed = z.object({
  permission: z.string().meta({ description: 'As the forge’s page for tokens calls it' }),
  neededFor: z.string(),
  required: z.boolean().meta({ description: 'Without it no task gets as far as an open pull request' }),
  grantable: z.boolean().meta({ description: 'False: the forge has none such for fine-grained tokens' }),
});

export const TokenGuide = z
  .object({
    needs: z.array(PermissionNeed.meta({ id: 'PermissionNeed' })),
    newTokenUrl: z.string().meta({ description: 'The forge’s page for a new token, filled in as far as it goes' }),
    tokensUrl: z.string().meta({ description: 'Where the forge lists tokens, and where they are changed' }),
  })
  .meta({ id: 'TokenGuide' });

export const RepositoryAccess = z
  .object({
    fullName: z.string(),
    private: z.boolean(),
    tokenKind: z.enum(['fine-grained', 'classic', 'other']),
    permissions: z.array(
      PermissionNeed.extend({
        state: z.enum(['ok', 'missing', 'unknown']),
        words: z.string().nullable().meta({ description: 'What the forge said to the call that tested it' }),
        remedy: z.string().nullable(),
      }).meta({ id: 'PermissionState' }),
    ),
  })
  .meta({ id: 'RepositoryAccess' });

export const forgeAccessRoutes = {
  tokenGuide: route({
    method: 'GET',
    path: '/api/token-guide',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'What a token for a repository needs, and the page of the forge that makes one',
    query: z.strictObject({
      forge: z.enum(['github']).default('github'),
      apiUrl: HttpUrl.default('https://api.github.com'),
      fullName: FullName.optional(),
      watchIssues: z.enum(['true', 'false']).default('true'),
      allowWorkflowChanges: z.enum(['true', 'false']).default('false'),
    }),
    answer: TokenGuide,
  }),
  checkAccess: route({
    method: 'POST',
    path: '/api/repositories/check',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Test each permission of a token by a call that changes nothing; stores nothing',
    body: z
      .strictObject({
        forge: z.enum(['github']).default('github'),
        fullName: FullName,
        apiUrl: HttpUrl.default('https://api.github.com'),
        token: z.string().min(1).max(500).optional(),
        credentialSecret: SecretName.default('GITHUB_TOKEN'),
        watchIssues: z.boolean().default(true),
        allowWorkflowChanges: z.boolean().default(false),
      })
      .meta({ id: 'CheckAccess' }),
    answer: RepositoryAccess,
  }),
  checkRepositoryAccess: route({
    method: 'POST',
    path: '/api/repositories/:repositoryId/check',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Test each permission of the repository’s token by a call that changes nothing',
    params: z.strictObject({ repositoryId: IdSchema }),
    answer: RepositoryAccess,
  }),
} as const;
