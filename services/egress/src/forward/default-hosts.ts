import { agentHosts } from '@capstan/agents';
import { hostRules, type HostRule } from './host-rule.js';

/**
 * Where packages of each ecosystem come from. Hosts that serve nothing but packages and their indexes: none that takes
 * files from whoever has an account and is known for something else (code hosting, storage), for that is a way out.
 */
const PACKAGE_HOSTS: Readonly<Record<string, readonly string[]>> = {
  npm: ['registry.npmjs.org', 'npm.jsr.io', 'jsr.io'],
  yarn: ['registry.yarnpkg.com', 'repo.yarnpkg.com'],
  // Headers for addons that are built here.
  node: ['nodejs.org'],
  python: ['pypi.org', 'files.pythonhosted.org'],
  conda: ['conda.anaconda.org', 'repo.anaconda.com'],
  rust: ['crates.io', 'index.crates.io', 'static.crates.io', 'static.rust-lang.org'],
  go: ['proxy.golang.org', 'sum.golang.org'],
  maven: ['repo.maven.apache.org', 'repo1.maven.org'],
  gradle: ['plugins.gradle.org', 'plugins-artifacts.gradle.org', 'services.gradle.org', 'downloads.gradle.org'],
  ruby: ['rubygems.org', 'index.rubygems.org'],
  dotnet: ['api.nuget.org'],
  php: ['packagist.org', 'repo.packagist.org'],
  elixir: ['repo.hex.pm', 'builds.hex.pm'],
  dart: ['pub.dev'],
  cocoapods: ['cdn.cocoapods.org'],
  haskell: ['hackage.haskell.org'],
};

const PACKAGE_RULES = hostRules(Object.values(PACKAGE_HOSTS).flat()).rules;

/** What every run of an agent may reach. */
export function defaultRules(agent: string): readonly HostRule[] {
  return [...PACKAGE_RULES, ...hostRules(agentHosts(agent)).rules];
}
