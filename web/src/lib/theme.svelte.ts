export type ThemeChoice = 'light' | 'dark' | 'system';

const KEY = 'capstan-theme';

/** Light, dark, or what the system says. The first paint is static/theme.js's. */
class Theme {
  choice = $state<ThemeChoice>('system');

  start(): () => void {
    this.choice = read();
    const media = matchMedia('(prefers-color-scheme: dark)');
    const changed = () => this.#apply();
    media.addEventListener('change', changed);
    this.#apply();
    return () => media.removeEventListener('change', changed);
  }

  set(choice: ThemeChoice): void {
    this.choice = choice;
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // Storage may be forbidden: the choice then lasts as long as the page.
    }
    this.#apply();
  }

  #apply(): void {
    const dark =
      this.choice === 'dark' || (this.choice === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
    document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
  }
}

function read(): ThemeChoice {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === 'light' || stored === 'dark' ? stored : 'system';
  } catch {
    return 'system';
  }
}

export const theme = new Theme();
