import type { UserRecord } from '../model.js';
import type { World } from '../world.js';

export type Body = Record<string, unknown>;

/** GitHub's opaque ids: what matters is only that they are strings and stable. */
export function nodeId(kind: string, id: number): string {
  return Buffer.from(`${kind}:${id}`).toString('base64url');
}

export function userBody(world: World, login: string): Body {
  const user = world.user(login);
  const api = `${world.apiUrl}/users/${encodeURIComponent(login)}`;
  return {
    login,
    id: user.id,
    node_id: nodeId('User', user.id),
    avatar_url: `${world.url}/avatars/${user.id}`,
    gravatar_id: '',
    url: api,
    html_url: `${world.url}/${encodeURIComponent(login)}`,
    followers_url: `${api}/followers`,
    following_url: `${api}/following{/other_user}`,
    gists_url: `${api}/gists{/gist_id}`,
    starred_url: `${api}/starred{/owner}{/repo}`,
    subscriptions_url: `${api}/subscriptions`,
    organizations_url: `${api}/orgs`,
    repos_url: `${api}/repos`,
    events_url: `${api}/events{/privacy}`,
    received_events_url: `${api}/received_events`,
    type: login.endsWith('[bot]') ? 'Bot' : 'User',
    user_view_type: 'public',
    site_admin: false,
  };
}

/** What `GET /user` answers to the owner of a token. */
export function ownUserBody(world: World, user: UserRecord): Body {
  return {
    ...userBody(world, user.login),
    name: user.login,
    company: null,
    blog: '',
    location: null,
    email: null,
    hireable: null,
    bio: null,
    twitter_username: null,
    public_repos: 0,
    public_gists: 0,
    followers: 0,
    following: 0,
    created_at: '2020-01-01T00:00:00Z',
    updated_at: '2020-01-01T00:00:00Z',
  };
}
