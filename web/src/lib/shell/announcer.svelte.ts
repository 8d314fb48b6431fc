/** What the page's polite live region says next. */
class Announcer {
  text = $state('');
}

export const announcer = new Announcer();

/** Tells users of a screen reader that something happened which they may not have seen. */
export function announce(text: string): void {
  announcer.text = '';
  queueMicrotask(() => (announcer.text = text));
}
