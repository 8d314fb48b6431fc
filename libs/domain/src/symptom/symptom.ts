import { ACCESS_SYMPTOMS } from './access.js';
import { AGENT_SYMPTOMS } from './agents.js';
import { BACKUP_SYMPTOMS } from './backup.js';
import { BOOT_SYMPTOMS } from './boot.js';
import { symptom, type Symptom } from './entry.js';
import { FORGE_APP_SYMPTOMS } from './forge-app.js';
import { HEALTH_SYMPTOMS } from './health.js';
import { POD_SYMPTOMS } from './pod.js';
import { PUBLISH_SYMPTOMS } from './publish.js';
import { REMOTE_SYMPTOMS } from './remote.js';
import { RUN_SYMPTOMS } from './run.js';
import { SERVER_SYMPTOMS } from './server.js';
import { WAITING_SYMPTOMS } from './waiting.js';

/** The registry by area, in the order in which people meet them. */
export const SYMPTOM_AREAS = {
  waiting: { title: 'A task waits', symptoms: WAITING_SYMPTOMS },
  pod: { title: 'Pods', symptoms: POD_SYMPTOMS },
  run: { title: 'Runs', symptoms: RUN_SYMPTOMS },
  agents: { title: 'The agents’ programs', symptoms: AGENT_SYMPTOMS },
  publish: { title: 'From the work to its merge', symptoms: PUBLISH_SYMPTOMS },
  remote: { title: 'Forges, trackers and git', symptoms: REMOTE_SYMPTOMS },
  forge_app: { title: 'GitHub Apps', symptoms: FORGE_APP_SYMPTOMS },
  boot: { title: 'Starting', symptoms: BOOT_SYMPTOMS },
  server: { title: 'Postgres and NATS', symptoms: SERVER_SYMPTOMS },
  health: { title: 'Health', symptoms: HEALTH_SYMPTOMS },
  access: { title: 'Signing in', symptoms: ACCESS_SYMPTOMS },
  backup: { title: 'Backup and restore', symptoms: BACKUP_SYMPTOMS },
} as const satisfies Readonly<
  Record<string, { readonly title: string; readonly symptoms: Readonly<Record<string, Symptom>> }>
>;
export type SymptomArea = keyof typeof SYMPTOM_AREAS;

/** Every symptom by its code: whatever Capstan tells a person about something that went wrong, or waits, is here. */
export const SYMPTOMS = Object.freeze({
  ...WAITING_SYMPTOMS,
  ...POD_SYMPTOMS,
  ...RUN_SYMPTOMS,
  ...AGENT_SYMPTOMS,
  ...PUBLISH_SYMPTOMS,
  ...REMOTE_SYMPTOMS,
  ...FORGE_APP_SYMPTOMS,
  ...BOOT_SYMPTOMS,
  ...SERVER_SYMPTOMS,
  ...HEALTH_SYMPTOMS,
  ...ACCESS_SYMPTOMS,
  ...BACKUP_SYMPTOMS,
});
export type SymptomCode = keyof typeof SYMPTOMS;

/** Why a task may wait: a pod that can't be made gives its own reason. */
export type WaitingCode = keyof typeof WAITING_SYMPTOMS | PodSymptomCode;
export type PodSymptomCode = keyof typeof POD_SYMPTOMS;

const UNKNOWN: Symptom = symptom({
  category: 'unknown',
  retryable: false,
  title: 'Something went wrong',
  cause: 'Capstan has no entry for it.',
  remedy: 'Read the detail and the log.',
});

export function isSymptomCode(code: string): code is SymptomCode {
  return Object.hasOwn(SYMPTOMS, code);
}

/** The entry of a code; one in general words for a code that isn't there. */
export function symptomOf(code: string): Symptom {
  return isSymptomCode(code) ? SYMPTOMS[code] : UNKNOWN;
}
