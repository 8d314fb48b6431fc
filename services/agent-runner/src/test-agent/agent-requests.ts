import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { errorText, type Id } from '@capstan/domain';
import { Database, type AgentTestJson } from '@capstan/database';
import type { Runtime } from '@capstan/runtimes';
import { CONFIG, IDENTITY, LOGGER, Vault, runToken, type Identity, type Logger } from '@capstan/service-kit';
import type { AgentRunnerConfig } from '../agent-runner.config.js';
import { LookAtAgents } from '../look-at-agents/look-at-agents.loop.js';
import { RUNTIME } from '../tokens.js';
import { answerRequest, claimRequest, lostTest, openRequests, type ClaimedRequest } from './agent-requests.apply.js';
import { testAgent, type TestPorts } from './test-agent.js';

/** Tests that a replica has under way: each is an agent, beside those that work. */
const AT_ONCE = 2;

/** Carries out what people ask of the agents' programs. */
@Injectable()
export class AgentRequests implements BeforeApplicationShutdown {
  private readonly underWay = new Map<Id, Promise<void>>();
  private readonly end = new AbortController();
  private readonly owner: string;
  private readonly ports: TestPorts;

  constructor(
    private readonly database: Database,
    private readonly look: LookAtAgents,
    vault: Vault,
    @Inject(RUNTIME) runtime: Runtime,
    @Inject(CONFIG) config: AgentRunnerConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(IDENTITY) identity: Identity,
  ) {
    this.owner = identity.instance;
    this.ports = {
      ...{ database, runtime, vault, logInHome: config.CAPSTAN_LOGIN_HOME },
      egress: (id) => ({ url: config.CAPSTAN_EGRESS_URL, token: runToken(config.CAPSTAN_ENCRYPTION_KEY, id) }),
      report: (level, message, fields) => logger[level](fields, message),
    };
  }

  /** What can be begun now. */
  async due(limit: number): Promise<readonly { readonly id: Id }[]> {
    const free = this.end.signal.aborted ? 0 : AT_ONCE - this.underWay.size;
    return free <= 0 ? [] : openRequests(this.database, Math.min(limit, free));
  }

  /** Begins it, unless too much is under way; it goes on after this has resolved. */
  async begin(id: Id): Promise<void> {
    if (this.end.signal.aborted || this.underWay.size >= AT_ONCE || this.underWay.has(id)) return;
    const request = await claimRequest(this.database, id, this.owner);
    if (request === null) return;
    const done = this.carryOut(request).finally(() => {
      this.underWay.delete(id);
      void this.beginNext();
    });
    this.underWay.set(id, done);
  }

  /** What is under way is broken off, and answered so. */
  async beforeApplicationShutdown(): Promise<void> {
    this.end.abort();
    await this.drain();
  }

  /** Resolves when nothing is under way any more. */
  async drain(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay.values());
  }

  /** What waited for a place. What fails here is found by the resync. */
  private async beginNext(): Promise<void> {
    try {
      for (const next of await this.due(AT_ONCE)) await this.begin(next.id);
    } catch (error) {
      this.logger.warn({ err: error }, `what is asked of agents could not be read: ${errorText(error)}`);
    }
  }

  /** Never rejects: what can't be answered is answered by whoever takes the claim over. */
  private async carryOut(request: ClaimedRequest): Promise<void> {
    try {
      const answer = await this.answerTo(request);
      await answerRequest(this.database, request, this.owner, answer);
    } catch (error) {
      this.logger.warn({ err: error, requestId: request.id }, `an agent could not be looked at: ${errorText(error)}`);
    }
  }

  private async answerTo({
    id,
    kind,
    agent,
    workspaceId,
    repositoryId,
    actor,
    settings,
    lost,
  }: ClaimedRequest): Promise<AgentTestJson | null> {
    if (kind === 'look' || agent === null) {
      // What was asked long ago every runner has looked at by itself since.
      if (!lost) await this.look.pass(true);
      return null;
    }
    if (lost) return lostTest('Nobody carried it out in time');
    try {
      const test = { id, workspaceId, repositoryId, actor, settings: settings ?? { agent } };
      return await testAgent(this.ports, test, this.end.signal);
    } catch (error) {
      if (this.end.signal.aborted) return lostTest('The agent runner was stopped meanwhile');
      this.logger.error({ err: error, requestId: id }, `an agent could not be tested: ${errorText(error)}`);
      return lostTest(errorText(error));
    }
  }
}
