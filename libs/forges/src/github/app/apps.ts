import type { ForgeApps } from '../../forge.port.js';
import { permissionMissing } from './app-failures.js';
import { appJwt } from './app-jwt.js';
import { findInstallation, listInstallations, type AppCalls } from './installation.js';
import { APP_PERMISSIONS, missingPermissions } from './permissions-needed.js';
import { convertManifest, installationUrl, registrationForm } from './registration.js';

/** GitHub Apps. */
export function githubApps(calls: AppCalls): ForgeApps {
  return {
    needs: missingPermissions(APP_PERMISSIONS, {}),
    form: registrationForm,
    register: (apiUrl, code) => convertManifest(apiUrl, code, calls),
    installationUrl,
    installations: (app) => listInstallations(app, calls),
    async assertReady(app, fullName) {
      const { permissions } = await findInstallation(app, calls, fullName);
      const missing = missingPermissions(APP_PERMISSIONS, permissions);
      if (missing.length > 0)
        throw permissionMissing({ app, fullName }, missing, `the installation lacks ${missing.join(', ')}`);
    },
    proof: (app) => appJwt(app, calls.now()),
  };
}
