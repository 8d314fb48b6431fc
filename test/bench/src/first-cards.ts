import { chromium, type Browser, type BrowserContext } from '@playwright/test';
import type { Stage } from './stage.js';

const WITHIN_MS = 30_000;

/** Notes, on the browser's own clock, the frame in which the first card is painted; counted from the navigation. */
const NOTE_FIRST_CARD = `
  const seen = new MutationObserver(() => {
    if (document.querySelector('[data-card]') === null) return;
    seen.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => { globalThis.benchFirstCardAt = performance.now(); }));
  });
  seen.observe(document, { childList: true, subtree: true });`;

/** The dashboard in a real browser, signed in. */
export class FirstCards {
  private constructor(
    private readonly browser: Browser,
    private readonly context: BrowserContext,
    private readonly url: string,
  ) {}

  static async open(executablePath: string, { capstan, account }: Stage): Promise<FirstCards> {
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
    try {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, bypassCSP: true });
      const answer = await context.request.post(`${capstan.url}/api/sign-in`, {
        data: account,
        headers: { origin: capstan.url },
      });
      if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`);
      await context.addInitScript({ content: NOTE_FIRST_CARD });
      return new FirstCards(browser, context, capstan.url);
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  /** From navigation in a new tab until the first task card can be seen, ms. */
  async show(): Promise<number> {
    const page = await this.context.newPage();
    try {
      await page.goto(this.url, { waitUntil: 'commit' });
      await page.locator('[data-card]').first().waitFor({ timeout: WITHIN_MS });
      const noted = await page.waitForFunction('globalThis.benchFirstCardAt');
      return (await noted.jsonValue()) as number;
    } finally {
      await page.close();
    }
  }

  async close(): Promise<void> {
    await this.browser.close();
  }
}
