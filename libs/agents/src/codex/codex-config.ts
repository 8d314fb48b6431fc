import { storableText } from '../storable.js';

/** The secret's name, and that of the variable in which Codex finds it. */
export const API_KEY = 'OPENAI_API_KEY';

const OPENAI = 'https://api.openai.com/v1';
/** Within one request to the provider; and of a turn whose stream failed, each of which is told as one `error` event. */
const REQUEST_RETRIES = 4;
export const STREAM_RETRIES = 5;

/**
 * The text of Codex's config.toml. The provider is always one of our own, because the numbers of retries can't be set
 * for the built-in one. No secret is in it: it names the variable that has the key.
 */
export function codexConfig({ model, baseUrl = OPENAI }: { model?: string | undefined; baseUrl?: string | undefined }) {
  return [
    ...(model === undefined ? [] : [`model = ${tomlString(model)}`]),
    'model_provider = "capstan"',
    'check_for_update_on_startup = false',
    '',
    '[model_providers.capstan]',
    'name = "Capstan"',
    `base_url = ${tomlString(baseUrl.replace(/\/+$/, ''))}`,
    `env_key = ${tomlString(API_KEY)}`,
    'wire_api = "responses"',
    `request_max_retries = ${REQUEST_RETRIES}`,
    `stream_max_retries = ${STREAM_RETRIES}`,
    '',
    // The commands that the agent runs have no use for the key.
    '[shell_environment_policy]',
    `exclude = [${tomlString(API_KEY)}]`,
    '',
    '[analytics]',
    'enabled = false',
    '',
    '[feedback]',
    'enabled = false',
    '',
  ].join('\n');
}

/** A basic string of TOML: JSON's escapes are among its own; DEL, which JSON leaves bare, has to be escaped too. */
function tomlString(value: string): string {
  return JSON.stringify(storableText(value)).replaceAll('\u007f', '\\u007f');
}
