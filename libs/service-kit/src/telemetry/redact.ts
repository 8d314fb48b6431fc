/** Members whose values are never written, wherever they stand in a log line. */
const SECRET_NAME =
  /^(authorization|proxy-authorization|cookie|set-cookie|password|passphrase|secret|client_?secret|token|access_?token|refresh_?token|api_?key|private_?key|encryption_?key|x-hub-signature(-256)?|x-api-key)$/i;

/** Credentials that give themselves away by their form. */
const SECRET_FORM = [
  /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|lin_(?:api|oauth)_\w{16,}|xox[abprs]-[\w-]{10,}|cap_run_[0-9a-f]{32}_[\w-]{32})/g,
  /\b(Bearer|Basic|token) +[\w.~+/=-]{12,}/gi,
];

/** `scheme://user:password@host`. */
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@"']*:)[^\s/@"']+@/gi;

export const REDACTED = '***';

/** Takes credentials out of a text by their form and out of a URL. */
export function redactText(text: string): string {
  let result = text.replace(URL_PASSWORD, `$1${REDACTED}@`);
  for (const form of SECRET_FORM)
    result = result.replace(form, (_all, word: unknown) =>
      typeof word === 'string' ? `${word} ${REDACTED}` : REDACTED,
    );
  return result;
}

/** For JSON.stringify: blanks members by name. */
export function redactMember(name: string, value: unknown): unknown {
  return SECRET_NAME.test(name) && value !== null && value !== undefined && value !== '' ? REDACTED : value;
}
