import { Controller, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { agent, AGENT_NAMES } from '@capstan/agents';
import { routes, type AgentTest } from '@capstan/api';
import { AgentRequest, Database, newId, type Tx } from '@capstan/database';
import { UserError, type Id } from '@capstan/domain';
import { agentChanged, agentRequested, type PayloadOf } from '@capstan/events';
import { Vault } from '@capstan/service-kit';
import { audit } from '../access/audit.js';
import { AnswerWaiter } from '../http/answer-waiter.js';
import { actorOf, Reply, type AskOf, type Caller } from '../http/ask.js';
import { TooOften } from '../http/problem.js';
import { Serves } from '../http/serves.js';
import { EventTail } from '../live/event-tail.js';
import { shownTest, TEST_EVERY_MS } from './agent-state.js';
import { readAgentRequest, readAgents } from './agents.reader.js';

/** What nobody answers in so long nobody has begun: there is no runner. ms */
const OPEN_MS = 150_000;
/** A look may be asked for once in so long. ms */
const LOOK_EVERY_MS = 5_000;

/** The agents and their programs: agent runners look at them and try them, here that is read and asked for. */
@Controller()
export class AgentsController implements OnModuleInit, OnModuleDestroy {
  private readonly waiter = new AnswerWaiter();
  private forget: (() => void) | undefined;

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly events: EventTail,
  ) {}

  onModuleInit(): void {
    this.forget = this.events.on((event, payload) => {
      const { requestId } = payload as PayloadOf<typeof agentChanged>;
      if (event.name === agentChanged.name && requestId !== undefined) this.waiter.wake(requestId);
    });
  }

  onModuleDestroy(): void {
    this.forget?.();
    this.waiter.wakeAll();
  }

  @Serves(routes.listAgents)
  async list({ caller: { workspaceId } }: AskOf<typeof routes.listAgents>) {
    return { items: await readAgents(this.database, this.vault, workspaceId) };
  }

  @Serves(routes.lookAtAgents)
  async look({ caller }: AskOf<typeof routes.lookAtAgents>): Promise<Reply<{ done: boolean }>> {
    const { workspaceId } = caller;
    const id = await this.database.transaction(
      async (tx) => {
        await notTooOften(tx, workspaceId, null, LOOK_EVERY_MS);
        return ask(tx, caller, { kind: 'look', agent: null, repositoryId: null });
      },
      { workspaceId },
    );
    const { answeredAt } = await this.waiter.wait(
      id,
      () => this.database.transaction((tx) => readAgentRequest(tx, workspaceId, id), { workspaceId }),
      (row) => row.answeredAt !== null,
    );
    return new Reply({ done: answeredAt !== null }, { status: answeredAt === null ? 202 : 200 });
  }

  @Serves(routes.testAgent)
  async test({ caller, params, body }: AskOf<typeof routes.testAgent>): Promise<AgentTest> {
    const { workspaceId } = caller;
    const { name } = params;
    assertTestable(name);
    return this.database.transaction(
      async (tx) => {
        const repositoryId = body.repositoryId ?? null;
        if (repositoryId !== null) await assertUses(tx, workspaceId, repositoryId, name);
        await notTooOften(tx, workspaceId, name, TEST_EVERY_MS);
        const id = await ask(tx, caller, { kind: 'test', agent: name, repositoryId });
        await audit(tx, caller, 'agent.test', name, { repositoryId });
        return shownTest(await readAgentRequest(tx, workspaceId, id));
      },
      { workspaceId },
    );
  }
}

async function ask(
  tx: Tx,
  caller: Caller,
  request: Pick<AgentRequest, 'kind' | 'agent' | 'repositoryId'>,
): Promise<Id> {
  const id = newId();
  const { workspaceId } = caller;
  await tx.query(
    'insert into agent_request (id, workspace_id, kind, agent, repository_id, actor) values ($1, $2, $3, $4, $5, $6)',
    [id, workspaceId, request.kind, request.agent, request.repositoryId, JSON.stringify(actorOf(caller))],
  );
  await tx.emit(agentRequested, { workspaceId, requestId: id });
  return id;
}

/** @throws UserError 404 for an agent that there is none of, 422 for one without a program of its own. */
function assertTestable(name: string): void {
  if (!AGENT_NAMES.includes(name))
    throw new UserError(`No agent ${name}`, {
      code: 'agent_unknown',
      status: 404,
      field: 'name',
      remedy: `Choose one of: ${AGENT_NAMES.join(', ')}.`,
    });
  if (agent(name).program === undefined)
    throw new UserError(`${agent(name).title} is any program: there is none to test`, {
      code: 'agent_without_program',
      status: 422,
      field: 'name',
      remedy: 'Make a task for it.',
    });
}

async function assertUses(tx: Tx, workspaceId: Id, repositoryId: Id, name: string): Promise<void> {
  const [row] = await tx.query<{ agent: string }>(
    `select agent->>'agent' as agent from repository where workspace_id = $1 and id = $2 and archived_at is null`,
    [workspaceId, repositoryId],
  );
  if (row?.agent === name) return;
  throw new UserError(
    row === undefined
      ? `No repository ${repositoryId} in this workspace`
      : `That repository has its work done by ${row.agent}`,
    { code: 'repository_not_found', status: 404, field: 'repositoryId' },
  );
}

/**
 * Asked for one by one, so that two at the same moment don't both pass. @param name null: a look
 * @throws TooOften within `everyMs` of the last, UserError 409 while a test goes on.
 */
async function notTooOften(tx: Tx, workspaceId: Id, name: string | null, everyMs: number): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `agent request ${workspaceId} ${name ?? ''}`,
  ]);
  const [last] = await tx.query<{ open: boolean; agoMs: number }>(
    `select answered_at is null as open, extract(epoch from clock_timestamp() - created_at)::float8 * 1000 as ago_ms
       from agent_request where workspace_id = $1 and agent is not distinct from $2 order by created_at desc limit 1`,
    [workspaceId, name],
  );
  if (last === undefined) return;
  if (last.open && name !== null)
    throw new UserError(`A test of ${agent(name).title} is going on`, {
      code: 'agent_test_open',
      status: 409,
      remedy: 'Wait for its end: a minute at most, where an agent runner is there.',
    });
  // One that nobody has answered yet serves whoever asks now as well.
  if (last.agoMs >= (last.open ? OPEN_MS : everyMs)) return;
  const waitMs = Math.max(1, everyMs - last.agoMs);
  throw new TooOften(
    name === null ? 'That was looked at a moment ago' : `${agent(name).title} was tested a moment ago`,
    waitMs,
    {
      remedy: `Ask again in ${Math.ceil(waitMs / 1_000)} seconds.`,
    },
  );
}
