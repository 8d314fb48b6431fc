import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BROKEN_BUILDS, type Break } from './broken-builds.js';

/** The built files of a broken build as they are loaded, by URL. @throws when a piece isn't there exactly once. */
export function brokenFiles(breaks: readonly Break[], root: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { file, piece, instead } of breaks) {
    const path = join(root, file);
    const url = pathToFileURL(path).href;
    const parts = (texts.get(url) ?? readFileSync(path, 'utf8')).split(piece);
    if (parts.length !== 2)
      throw new Error(`${file} has ${parts.length - 1} times what the broken build replaces: ${piece}`);
    texts.set(url, parts.join(instead));
  }
  return texts;
}

/** From now on this process loads the files of a broken build. To be called before any of them is imported. */
export function breakBuild(name: string, root: string): void {
  const build = BROKEN_BUILDS[name];
  if (build === undefined) throw new Error(`there is no broken build ${name}`);
  const texts = brokenFiles(build.breaks, root);
  registerHooks({
    load(url, context, next) {
      const source = texts.get(url);
      return source === undefined ? next(url, context) : { format: 'module', source, shortCircuit: true };
    },
  });
}
