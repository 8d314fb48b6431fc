import { UserError, type Id } from '@capstan/domain';
import type { Database } from '@capstan/database';
import type { Vault } from '@capstan/service-kit';
import type { RepositoryAccess } from '../forge-access.js';
import type { BundleSource } from '../pod-bundle.js';
import { decideBundle, type BundleVerdict } from '../push/bundle.decide.js';
import { quarantineRef, readBundle } from '../push/bundle.snapshot.js';
import { knownSecrets } from '../push/known-secrets.js';
import type { Mirror, Mirrors } from '../push/mirror.js';
import type { PublishSnapshot } from './publish.snapshot.js';

/** Present when the run's commits passed every check in this mirror. */
export function checkedRef(runId: string): string {
  return `refs/capstan/checked/${runId}`;
}

/** Brings a run's commits into this replica's mirror, and lets nothing through unchecked. */
export class Intake {
  private readonly preparing = new Map<Id, Promise<BundleVerdict>>();

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly mirrors: Mirrors,
    private readonly bundles: BundleSource,
  ) {}

  /**
   * Fetches, checks and judges; once it was judged good, the same run is answered from the mirror. A run's file and refs
   * in the mirror have one user at a time: whoever asks meanwhile, as publishing and its push may, gets the same answer.
   */
  prepare(access: RepositoryAccess, run: PublishSnapshot['run']): Promise<BundleVerdict> {
    const begun = this.preparing.get(run.id);
    if (begun !== undefined) return begun;
    const preparing = this.prepareAlone(access, run).finally(() => this.preparing.delete(run.id));
    this.preparing.set(run.id, preparing);
    return preparing;
  }

  private async prepareAlone(access: RepositoryAccess, run: PublishSnapshot['run']): Promise<BundleVerdict> {
    const head = run.outcome?.head;
    const base = run.baseSha ?? run.outcome?.base;
    if (head === undefined || base === undefined)
      throw new UserError('The run names no head or no base', {
        code: 'publish_refused_history',
        remedy: 'Retry the task.',
      });
    const checked = (mirror: Mirror): Promise<string | null> => resolve(mirror, checkedRef(run.id));
    if ((await this.mirrors.read(access, checked)) === head) return { kind: 'publish', head };
    const bundle = await this.bundles.collect({ ...run, runId: run.id, base });
    await this.update(access, run, base);
    // Each run has refs of its own from here on: only fetching from the forge has to wait its turn.
    return this.mirrors.read(access, async (mirror) => {
      const secrets = await knownSecrets(this.database, this.vault, run.workspaceId);
      const facts = await readBundle(mirror, { ...run, runId: run.id, base, head, bundle }, secrets);
      const { allowWorkflowChanges, allowSubmoduleChanges } = access.repository;
      const verdict = decideBundle(facts, {
        workflowChanges: allowWorkflowChanges,
        submoduleChanges: allowSubmoduleChanges,
      });
      if (verdict.kind === 'publish') await mirror.read(['update-ref', checkedRef(run.id), verdict.head]);
      await mirror.read(['update-ref', '-d', quarantineRef(run.id)]);
      return verdict;
    });
  }

  /** First lines of the commits, newest first, at most 20. */
  async subjects(access: RepositoryAccess, run: PublishSnapshot['run']): Promise<readonly string[]> {
    return this.mirrors.read(access, async (mirror) => {
      const range = [checkedRef(run.id), '--not', `refs/remotes/origin/${run.baseBranch}`];
      const { code, output } = await mirror.run(['log', '--max-count=20', '--no-merges', '--format=%s', ...range]);
      return code === 0 ? output.toString().split('\n').filter(Boolean) : [];
    });
  }

  /**
   * Brings the mirror up to date, unless it holds the commit that the work started from already. Fetching is one at a
   * time: where many runs end together, the first one's fetch does for all.
   */
  private async update(access: RepositoryAccess, run: PublishSnapshot['run'], base: string): Promise<void> {
    const known = (mirror: Mirror): Promise<boolean> => holds(mirror, `refs/remotes/origin/${run.baseBranch}`, base);
    if (await this.mirrors.read(access, known)) return;
    await this.mirrors.use(access, async (mirror) => {
      if (await known(mirror)) return;
      const present = await mirror.update([run.baseBranch, run.branch]);
      if (present.has(run.baseBranch)) return;
      throw new UserError(`The forge has no branch ${run.baseBranch}`, {
        code: 'publish_refused_history',
        remedy: 'Restore the base branch, or start a task from another one.',
      });
    });
  }
}

/** Whether the branch, as the mirror knows it, has the commit in its history. A commit that is not there isn't fetched. */
async function holds(mirror: Mirror, branch: string, commit: string): Promise<boolean> {
  const { code } = await mirror.run(['-c', 'protocol.allow=never', 'merge-base', '--is-ancestor', commit, branch]);
  return code === 0;
}

async function resolve(mirror: Mirror, ref: string): Promise<string | null> {
  const { code, output } = await mirror.run(['rev-parse', '--verify', '--quiet', `${ref}^{commit}`]);
  return code === 0 ? output.toString().trim() : null;
}
