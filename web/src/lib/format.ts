const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long something took or has taken: "0:07", "12:34", "3 h 05", "2 d 4 h". For ticking figures, so of even width. */
export function elapsed(ms: number): string {
  const value = Math.max(0, ms);
  if (value >= DAY) return `${Math.floor(value / DAY)} d ${Math.floor((value % DAY) / HOUR)} h`;
  const two = (figure: number) => `${Math.floor(figure)}`.padStart(2, '0');
  if (value >= HOUR) return `${Math.floor(value / HOUR)} h ${two((value % HOUR) / MINUTE)}`;
  return `${Math.floor(value / MINUTE)}:${two((value % MINUTE) / SECOND)}`;
}

/** A span in words: "400 ms", "7 s", "12 min", "3 h", "2 d". */
export function span(ms: number): string {
  const value = Math.max(0, ms);
  if (value < SECOND) return `${Math.round(value)} ms`;
  if (value < MINUTE) return `${Math.round(value / SECOND)} s`;
  if (value < HOUR) return `${Math.round(value / MINUTE)} min`;
  if (value < 2 * DAY) return `${Math.round(value / HOUR)} h`;
  return `${Math.round(value / DAY)} d`;
}

/** "just now", "4 min ago", "in 12 s". */
export function relative(at: string | number, now: number): string {
  const difference = now - new Date(at).getTime();
  if (Math.abs(difference) < 5 * SECOND) return difference < 0 ? 'in a moment' : 'just now';
  return difference < 0 ? `in ${span(-difference)}` : `${span(difference)} ago`;
}

/** US dollars from a decimal string: "$0.42", "<$0.01", "$0" for nothing at all. */
export function money(amount: string | null): string {
  const value = Number(amount ?? 0);
  if (value === 0) return '$0';
  if (value < 0.01) return '<$0.01';
  return `$${value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

/** "950", "12.3k", "4.1M". */
export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString('en-US');
  if (value < 1_000_000) return `${(value / 1_000).toFixed(value < 100_000 ? 1 : 0)}k`;
  return `${(value / 1_000_000).toFixed(1)}M`;
}

/** "950 B", "12 kB", "4.1 MB". */
export function bytes(value: number): string {
  if (value < 1_000) return `${value} B`;
  if (value < 1_000_000) return `${Math.round(value / 1_000)} kB`;
  if (value < 1_000_000_000) return `${(value / 1_000_000).toFixed(1)} MB`;
  return `${(value / 1_000_000_000).toFixed(1)} GB`;
}

/** Time of day with seconds, in the reader's zone. */
export function clockTime(at: string): string {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

/** Whole date and time for a tooltip. */
export function fullTime(at: string): string {
  return new Date(at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' });
}

/** The day alone, in the reader's zone: "Nov 21, 2026". */
export function day(at: string): string {
  return new Date(at).toLocaleDateString([], { dateStyle: 'medium' });
}

export function plural(figure: number, one: string, many = `${one}s`): string {
  return `${figure.toLocaleString('en-US')} ${figure === 1 ? one : many}`;
}
