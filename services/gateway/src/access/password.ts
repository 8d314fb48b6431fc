import { hash, verify } from '@node-rs/argon2';

/** OWASP's minimum for argon2id: 19 MiB, two passes. About 50 ms. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

let nobody: Promise<string> | undefined;

/** argon2id with a random salt, in PHC form. */
export function hashPassword(password: string): Promise<string> {
  return hash(password, COST);
}

/** Takes the same time whether the account exists or not. @param stored null for an account that isn't there. */
export async function verifyPassword(stored: string | null, password: string): Promise<boolean> {
  nobody ??= hash('no account has this password', COST);
  const right = await verify(stored ?? (await nobody), password);
  return stored !== null && right;
}
