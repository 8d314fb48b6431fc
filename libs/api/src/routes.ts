import { accessRoutes } from './resources/access.js';
import { agentRoutes } from './resources/agents.js';
import { credentialRoutes } from './resources/credentials.js';
import { modelOrderRoutes } from './resources/model-orders.js';
import { forgeAccessRoutes } from './resources/forge-access.js';
import { forgeAppRoutes } from './resources/forge-apps.js';
import { parkedRoutes } from './resources/parked.js';
import { runRoutes } from './resources/runs.js';
import { settingsRoutes } from './resources/settings.js';
import { symptomRoutes } from './resources/symptoms.js';
import { taskRoutes } from './resources/tasks.js';

/** Every REST route by its operation name. */
export const routes = {
  ...accessRoutes,
  ...taskRoutes,
  ...runRoutes,
  ...parkedRoutes,
  ...settingsRoutes,
  ...agentRoutes,
  ...credentialRoutes,
  ...forgeAccessRoutes,
  ...forgeAppRoutes,
  ...modelOrderRoutes,
  ...symptomRoutes,
} as const;
export type RouteName = keyof typeof routes;
