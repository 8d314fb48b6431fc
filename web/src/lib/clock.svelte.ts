/** The present, ticking each second while somebody looks: one timer for every elapsed time on the page. */
class Clock {
  now = $state(Date.now());

  start(): () => void {
    const tick = () => (this.now = Date.now());
    const timer = setInterval(() => {
      if (!document.hidden) tick();
    }, 1_000);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }
}

export const clock = new Clock();
