import { symptomList } from '@capstan/api';
import { expect, it } from 'vitest';
import { searchSymptoms } from './symptom-search.ts';

const { items } = symptomList();
const found = (query: string) => searchSymptoms(items, query).map(({ code }) => code);

it('shows all for nothing, and what holds every word, by code or in words', () => {
  expect(found('')).toHaveLength(items.length);
  expect(found('  PORT_taken ')).toEqual(['port_taken']);
  expect(found('image pulled registry')).toContain('image_pull_failed');
  expect(found('image pulled registry')).not.toContain('port_taken');
  expect(found('no such thing at all')).toEqual([]);
});
