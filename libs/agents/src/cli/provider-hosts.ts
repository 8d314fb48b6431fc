/**
 * What the programs of a provider talk to when they do it directly: with a log-in of their own, or to make one. Keys that
 * Capstan keeps are added at the model door and nowhere else.
 */
export const ANTHROPIC_HOSTS = ['api.anthropic.com', 'claude.ai', 'console.anthropic.com', 'platform.claude.com'];
export const OPENAI_HOSTS = ['api.openai.com', 'auth.openai.com', 'chatgpt.com'];
export const GOOGLE_HOSTS = [
  'generativelanguage.googleapis.com',
  'cloudcode-pa.googleapis.com',
  'oauth2.googleapis.com',
  'accounts.google.com',
];
