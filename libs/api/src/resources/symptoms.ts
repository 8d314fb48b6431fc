import { SYMPTOM_AREAS, SYMPTOM_CATEGORIES, type SymptomArea } from '@capstan/domain';
import { z } from 'zod';
import { route } from '../route.js';

export const SymptomEntry = z
  .object({
    code: z
      .string()
      .meta({ description: 'Stable; also the anchor on the dashboard’s help page', example: 'port_taken' }),
    area: z.enum(Object.keys(SYMPTOM_AREAS) as [SymptomArea, ...SymptomArea[]]),
    category: z.enum(SYMPTOM_CATEGORIES),
    title: z.string(),
    cause: z.string(),
    remedy: z.string(),
    retryable: z.boolean().meta({ description: 'Whether trying again without a change can help' }),
  })
  .meta({ id: 'Symptom' });
export type SymptomEntry = z.infer<typeof SymptomEntry>;

const SymptomList = z
  .object({
    areas: z.array(z.object({ area: SymptomEntry.shape.area, title: z.string() })),
    items: z.array(SymptomEntry),
  })
  .meta({ id: 'SymptomList' });

export const symptomRoutes = {
  listSymptoms: route({
    method: 'GET',
    path: '/api/symptoms',
    permission: 'workspace.read',
    tag: 'help',
    summary: 'Every symptom that Capstan tells people about: what it means and what helps',
    answer: SymptomList,
  }),
} as const;

/** What `listSymptoms` answers; the registry never changes while a program runs. */
export function symptomList(): z.infer<typeof SymptomList> {
  const areas = Object.entries(SYMPTOM_AREAS) as [SymptomArea, (typeof SYMPTOM_AREAS)[SymptomArea]][];
  return {
    areas: areas.map(([area, { title }]) => ({ area, title })),
    items: areas.flatMap(([area, { symptoms }]) =>
      Object.entries(symptoms).map(([code, entry]) => ({ code, area, ...entry })),
    ),
  };
}
