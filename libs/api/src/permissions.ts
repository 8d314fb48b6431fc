/** Everything that somebody may be allowed to do. Every route names one; `public` routes are the closed list of DESIGN. */
export const PERMISSIONS = [
  'public',
  'workspace.read',
  'workspace.manage',
  'repository.read',
  'repository.manage',
  'secret.manage',
  'secret.own',
  'task.read',
  'task.write',
  'pod.read',
  'event.read',
  'parked.read',
  'parked.manage',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

export const ROLES = ['admin', 'member', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

const VIEWER: readonly Permission[] = [
  'workspace.read',
  'repository.read',
  'task.read',
  'pod.read',
  'event.read',
  'parked.read',
];
const MEMBER: readonly Permission[] = [...VIEWER, 'task.write', 'secret.own', 'parked.manage'];

/** What each role may do. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: VIEWER,
  member: MEMBER,
  admin: [...MEMBER, 'workspace.manage', 'repository.manage', 'secret.manage'],
};
