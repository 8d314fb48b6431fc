import type { routes } from '@capstan/api';

type Routes = typeof routes;
export type Operation = keyof Routes;

/** What a zod schema accepts and gives, told by its type alone: no schema reaches the first view's bundle. */
type Output<Schema> = Schema extends { _zod: { output: infer Value } } ? Value : never;
type Input<Schema> = Schema extends { _zod: { input: infer Value } } ? Value : never;

export type AnswerOf<Name extends Operation> = Output<NonNullable<Routes[Name]['answer']>>;
export type BodyOf<Name extends Operation> = Input<NonNullable<Routes[Name]['body']>>;

export type Me = AnswerOf<'me'>;
export type Board = AnswerOf<'board'>;
export type BoardColumn = Board['columns'][number]['column'];
export type Task = Board['columns'][number]['items'][number];
export type TaskState = Task['state'];
export type TaskDetail = AnswerOf<'task'>;
export type RunNetwork = AnswerOf<'runNetwork'>;
export type TaskAction = TaskDetail['actions'][number]['kind'];
export type TaskEvent = AnswerOf<'taskEvents'>['items'][number];
export type TaskRequest = AnswerOf<'request'>;
export type Run = AnswerOf<'run'>;
export type PullRequest = AnswerOf<'pullRequest'>;
export type Check = PullRequest['checkList'][number];
export type LogPage = AnswerOf<'runLog'>;
export type LogLine = LogPage['lines'][number];
export type Repository = AnswerOf<'repository'>;
export type ForgeApp = AnswerOf<'listForgeApps'>['items'][number];
export type ForgeInstallation = AnswerOf<'forgeAppInstallations'>['items'][number];
export type TokenGuide = AnswerOf<'tokenGuide'>;
export type RepositoryAccess = AnswerOf<'checkAccess'>;
export type TicketSource = AnswerOf<'listTicketSources'>['items'][number];
export type Pod = AnswerOf<'listPods'>['items'][number];
export type Agent = AnswerOf<'listAgents'>['items'][number];
export type AgentTest = NonNullable<Agent['test']>;
export type Worker = AnswerOf<'listWorkers'>['items'][number];
export type ParkedRow = AnswerOf<'listParked'>['items'][number];
export type Symptom = AnswerOf<'listSymptoms'>['items'][number];
export type Credential = AnswerOf<'authStatus'>['items'][number];
export type ModelOrder = AnswerOf<'listModelOrders'>['items'][number];
export type AccessToken = AnswerOf<'listTokens'>['items'][number];
export type CreateTaskBody = BodyOf<'createTask'>;
export type CreateRepositoryBody = BodyOf<'createRepository'>;
export type PatchRepositoryBody = BodyOf<'patchRepository'>;
