// Runs before the first paint, so that a dark page never flashes white. Kept in step with src/lib/theme.svelte.ts.
(() => {
  let choice = 'system';
  try {
    choice = localStorage.getItem('capstan-theme') ?? 'system';
  } catch {
    // Storage may be forbidden; the system's choice is a good answer then.
  }
  const dark = choice === 'dark' || (choice === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
