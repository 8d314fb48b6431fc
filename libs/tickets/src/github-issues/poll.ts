import type { RestEndpointMethodTypes } from '@octokit/rest';
import type { RemoteTicket, TicketConnection, TicketPage } from '../ticket.port.js';
import { hasNext, MAX_PAGES, PAGE_SIZE, tooMuch, type GitHubClient } from './client.js';
import { projectOf, ticketOf, type Issue } from './issues.js';

interface ListedPage {
  readonly issues: readonly Issue[];
  readonly etag: string | undefined;
  readonly next: boolean;
}
/** What a stored tag holds: the tag of every page, and what they are pages of. */
interface PageTags {
  readonly project: string;
  readonly label: string;
  readonly tags: readonly string[];
}

/**
 * Open issues with the label. One page's tag says nothing about the others (an issue that leaves page two changes no
 * other page before it), so every page is asked with its own tag, which is free while nothing changed. Any change walks
 * the whole list anew; what moves between pages in the meantime changes a page that was read, and so shows next time.
 */
export async function poll(
  client: GitHubClient,
  connection: TicketConnection,
  label: string,
  etag: string | null,
  signal: AbortSignal | undefined,
): Promise<TicketPage> {
  const lister = new Lister(client, connection, label, signal);
  const known = readTags(etag, connection.project, label);
  const changed = await firstChange(lister, known);
  if (known.length > 0 && changed === undefined) return { tickets: null, etag };
  const pages: ListedPage[] = [];
  for (let page = 1; page === 1 || pages.at(-1)?.next; page += 1) {
    if (page > MAX_PAGES) throw tooMuch(lister.doing);
    pages.push(changed?.page === page ? changed.listed : await lister.read(page));
  }
  const issues = new Map(pages.flatMap((page) => page.issues).map((issue) => [issue.number, issue]));
  const tickets: RemoteTicket[] = [];
  for (const issue of issues.values()) {
    if (isWanted(issue, label)) tickets.push(await ticketOf(client, connection, issue, signal));
  }
  return { tickets, etag: writeTags(connection.project, label, pages) };
}

async function firstChange(
  lister: Lister,
  known: readonly string[],
): Promise<{ readonly page: number; readonly listed: ListedPage } | undefined> {
  for (const [index, tag] of known.entries()) {
    const listed = await lister.readUnless(tag, index + 1);
    if (listed) return { page: index + 1, listed };
  }
  return undefined;
}

/** GitHub lists pull requests as issues, and takes a comma in a label for two labels. */
function isWanted(issue: Issue, label: string): boolean {
  if (issue.pull_request || issue.state !== 'open') return false;
  const wanted = label.toLowerCase();
  return issue.labels.some((each) => (typeof each === 'string' ? each : (each.name ?? '')).toLowerCase() === wanted);
}

type ListParameters = NonNullable<RestEndpointMethodTypes['issues']['listForRepo']['parameters']>;

class Lister {
  readonly doing: string;
  readonly #client: GitHubClient;
  readonly #parameters: ListParameters;
  readonly #signal: AbortSignal | undefined;

  constructor(client: GitHubClient, { project }: TicketConnection, label: string, signal: AbortSignal | undefined) {
    this.doing = `list the issues of ${project} with the label "${label}"`;
    this.#client = client;
    this.#signal = signal;
    this.#parameters = {
      ...projectOf(project),
      labels: label,
      state: 'open',
      sort: 'updated',
      direction: 'desc',
      per_page: PAGE_SIZE,
    };
  }

  async read(page: number): Promise<ListedPage> {
    const answer = await this.#client.call(this.doing, this.#signal, (rest, request) =>
      rest.issues.listForRepo({ ...this.#parameters, page, request }),
    );
    return listedPage(answer);
  }

  /** Undefined while the page still has the tag. */
  async readUnless(tag: string, page: number): Promise<ListedPage | undefined> {
    const answer = await this.#client.callUnless(304, this.doing, this.#signal, (rest, request) =>
      rest.issues.listForRepo({ ...this.#parameters, page, request, headers: { 'if-none-match': tag } }),
    );
    return answer && listedPage(answer);
  }
}

function listedPage(answer: RestEndpointMethodTypes['issues']['listForRepo']['response']): ListedPage {
  return { issues: answer.data, etag: answer.headers.etag, next: hasNext(answer.headers) };
}

/** The tags of that project and label; none when the text is of another, or not ours. */
function readTags(etag: string | null, project: string, label: string): readonly string[] {
  if (etag === null) return [];
  try {
    const stored = JSON.parse(etag) as Partial<PageTags>;
    const fits = stored.project === project && stored.label === label && Array.isArray(stored.tags);
    return fits ? stored.tags!.filter((tag) => typeof tag === 'string').slice(0, MAX_PAGES) : [];
  } catch {
    return []; // an unreadable tag costs one full read
  }
}

function writeTags(project: string, label: string, pages: readonly ListedPage[]): string | null {
  const tags = pages.flatMap(({ etag }) => (etag === undefined ? [] : [etag]));
  if (tags.length < pages.length) return null;
  return JSON.stringify({ project, label, tags } satisfies PageTags);
}
