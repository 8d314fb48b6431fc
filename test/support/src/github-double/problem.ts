const DOCUMENTATION_URL = 'https://docs.github.com/rest';

export interface ValidationError {
  readonly resource?: string;
  readonly field?: string;
  readonly code?: string;
  readonly message?: string;
}

/** An error answer in GitHub's own shape. Thrown by actions and routes, written out by the server. */
export class GitHubProblem extends Error {
  override readonly name = 'GitHubProblem';
  constructor(
    readonly status: number,
    message: string,
    readonly errors?: readonly (ValidationError | string)[],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }

  body(): Record<string, unknown> {
    return {
      message: this.message,
      ...(this.errors ? { errors: this.errors } : {}),
      documentation_url: DOCUMENTATION_URL,
      status: String(this.status),
    };
  }
}

export const notFound = (): GitHubProblem => new GitHubProblem(404, 'Not Found');

export const badCredentials = (): GitHubProblem => new GitHubProblem(401, 'Bad credentials');

export const requiresAuthentication = (): GitHubProblem => new GitHubProblem(401, 'Requires authentication');

/** What a fine-grained token without the permission gets. */
export const notAccessible = (): GitHubProblem =>
  new GitHubProblem(403, 'Resource not accessible by personal access token');

export const validationFailed = (...errors: ValidationError[]): GitHubProblem =>
  new GitHubProblem(422, 'Validation Failed', errors);

export const missingField = (resource: string, field: string): GitHubProblem =>
  validationFailed({ resource, field, code: 'missing_field' });
