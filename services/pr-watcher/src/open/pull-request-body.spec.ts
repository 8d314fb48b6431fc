import { newId } from '@capstan/database';
import { shortId } from '@capstan/domain';
import { pullRequestBody, taskMarker } from './pull-request-body.js';

const taskId = newId();
const plain = { taskId, commits: [], ticket: null, blocked: [] };

it('names task and ticket, and closes nothing by a keyword', () => {
  const ticket = { key: '7', url: 'https://tracker.example/7', sameRepository: true };
  const text = pullRequestBody({ ...plain, ticket, commits: ['Closes #1', 'Mention `@everybody`'] });
  expect(text).toContain('For #7.');
  expect(text).toContain("- `Closes #1`\n- `Mention '@everybody'`");
  expect(text).toContain(shortId(taskId));
  expect(text.endsWith(taskMarker(taskId))).toBe(true);
  expect(pullRequestBody({ ...plain, ticket: { ...ticket, sameRepository: false } })).toContain('For https://tracker');
});

it('says which hosts the agent was kept from, as code, and no more of them than one reads', () => {
  expect(pullRequestBody(plain)).not.toContain('Blocked');
  const blocked = Array.from({ length: 22 }, (_, index) => ({ place: `h${index}.example`, times: 22 - index }));
  const text = pullRequestBody({ ...plain, blocked: [...blocked.slice(0, 21), { place: '`@you`', times: 1 }] });
  expect(text).toContain('- `h0.example`, 22 times');
  expect(text).toContain('- and 2 more');
  expect(text).not.toContain('@you');
  expect(pullRequestBody({ ...plain, blocked: [{ place: 'a`b:8443', times: 1 }] })).toContain("- `a'b:8443`, once");
});
