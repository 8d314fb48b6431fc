// Writes the files that are made from the code; `--check` writes nothing and fails when one is out of date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { openApiDocument, symptomList } = await import(join(root, 'libs/api/dist/index.js'));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** What to look at before anything else. */
const FIRST_LOOKS = `Whatever goes wrong has a code: on the task, the pod and the pull request in the dashboard, in an answer of the
API, in a line of the log and in a health check. \`npx capstan explain CODE\` and the dashboard's page \`/help#CODE\` say the same as
this page. Where to look first:

- **Is everything up?** \`npx capstan status\`. \`/healthz\` on the internal port names each check, its reason and what helps.
- **Why does this task wait, or need me?** Its page, or \`npx capstan get tasks\`.
- **What happened to it, step by step?** \`npx capstan trace TASK\`; its trace id finds the same steps in logs and in a tracing backend.
- **What did the agent say?** \`npx capstan logs TASK\`.
- **What failed so often that it was set aside?** The page Parked, or \`npx capstan get parked\`.
- **Which pods are there, and what ails them?** The page Pods, or \`npx capstan get pods\`.
- **What did the services say?** \`log/host.log\` in the data directory; each line has \`trace_id\` and \`request_id\`.`;

const FILES = {
  'libs/api/openapi.json': () => `${JSON.stringify(openApiDocument(version), null, 2)}\n`,
  'TROUBLESHOOTING.md': troubleshooting,
};

/** The symptom registry as a page: a section per area, a heading per code. */
async function troubleshooting() {
  const { areas, items } = symptomList();
  const entry = ({ code, title, cause, remedy, retryable, category }) => {
    const passing = retryable ? 'may pass by itself' : 'needs a change';
    return `### ${code}\n\n**${title}** (${category}, ${passing}). ${cause} What helps: ${remedy}`;
  };
  const sections = areas.flatMap(({ area, title }) => [
    `## ${title}`,
    ...items.filter((each) => each.area === area).map(entry),
  ]);
  const note = 'Made from the symptom registry (`libs/domain/src/symptom`) by `npm run generate`.';
  return format(['# Troubleshooting', note, FIRST_LOOKS, ...sections].join('\n\n'), {
    ...(await resolveConfig(root)),
    parser: 'markdown',
  });
}

let stale = 0;
for (const [path, make] of Object.entries(FILES)) {
  const file = join(root, path);
  const wanted = await make();
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) continue;
  stale += 1;
  if (process.argv.includes('--check')) process.stdout.write(`${path} is out of date; run: npm run generate\n`);
  else writeFileSync(file, wanted);
}
process.exitCode = process.argv.includes('--check') && stale > 0 ? 1 : 0;
