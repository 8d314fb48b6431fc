/** Words that stand where a secret should. */
const WORDS =
  /^(change[-_ ]?me\d*|replace[-_ ]?me|x{3,}|\.{3,}|\*{3,}|secret|password|passw0rd|example|placeholder|todo|fixme|test|dummy|none|null|undefined|(your|my)[-_ ].*|<.*>|\$\{.*\}|insert[-_ ].*|.*[-_]here)$/i;

/** Whether a value is what an example file holds rather than a secret. Decoded base64 is looked at too. */
export function isPlaceholder(value: string): boolean {
  if (WORDS.test(value) || isMonotonous(value)) return true;
  if (!/^[A-Za-z0-9+/_-]{16,}={0,2}$/.test(value)) return false;
  const bytes = Buffer.from(value, 'base64');
  const text = bytes.toString('latin1');
  return isMonotonous(text) || isCounting(bytes) || /change.?me|example|placeholder|secret.?key|0123456789/i.test(text);
}

/** `aaaaaaaa`, or a word of up to three characters over and over. */
function isMonotonous(text: string): boolean {
  return text.length >= 6 && /^(.{1,3}?)\1+.{0,2}$/s.test(text);
}

/** 00 01 02 03 …, as in documentation. */
function isCounting(bytes: Buffer): boolean {
  return bytes.length >= 8 && bytes.every((byte, index) => index === 0 || byte === (bytes[index - 1]! + 1) % 256);
}
