import { Bug } from '@capstan/domain';

type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(labels?: Labels, by?: number): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** Label values that one metric may have; further ones are counted together rather than filling Prometheus. */
const MAX_SERIES = 500;
const OVERFLOW = 'overflow="true"';

/** Seconds. */
export const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;

interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly series: Map<string, { value: number; buckets?: number[]; count?: number }>;
  readonly buckets: readonly number[];
  readonly collect: (() => void | Promise<void>) | undefined;
}

/**
 * The metrics of a process in Prometheus' text form. Names begin with `capstan_`; labels name kinds (an event, an
 * outcome), never ids.
 */
export class Metrics {
  private readonly metrics = new Map<string, Metric>();

  counter(name: string, help: string): Counter {
    const metric = this.register(name, { kind: 'counter', help });
    return { add: (labels = {}, by = 1) => void (this.at(name, metric, labels).value += by) };
  }

  /** @param collect sets the value just before it is read; what it throws leaves the last value. */
  gauge(name: string, help: string, collect?: (gauge: Gauge) => void | Promise<void>): Gauge {
    const gauge: Gauge = { set: (value, labels = {}) => void (this.at(name, metric, labels).value = value) };
    const metric = this.register(name, { kind: 'gauge', help, ...(collect ? { collect: () => collect(gauge) } : {}) });
    return gauge;
  }

  histogram(name: string, help: string, buckets: readonly number[] = DURATION_BUCKETS): Histogram {
    const metric = this.register(name, { kind: 'histogram', help, buckets });
    return {
      observe: (value, labels = {}) => {
        const series = this.at(name, metric, labels);
        series.value += value;
        series.count = (series.count ?? 0) + 1;
        series.buckets ??= buckets.map(() => 0);
        for (const [index, limit] of buckets.entries()) if (value <= limit) series.buckets[index]! += 1;
      },
    };
  }

  /** Everything in Prometheus' text form 0.0.4. */
  async render(): Promise<string> {
    const lines: string[] = [];
    for (const [name, metric] of this.metrics) {
      try {
        await metric.collect?.();
      } catch {
        // The last value stands: metrics must be readable while Postgres is not.
      }
      lines.push(`# HELP ${name} ${metric.help}`, `# TYPE ${name} ${metric.kind}`);
      for (const [labels, series] of metric.series) lines.push(...seriesLines(name, metric, labels, series));
    }
    return `${lines.join('\n')}\n`;
  }

  private register(name: string, parts: Partial<Metric> & Pick<Metric, 'kind' | 'help'>): Metric {
    if (!/^capstan_[a-z][a-z0-9_]*$/.test(name)) throw new Bug(`metric ${name} must be called capstan_…`);
    const known = this.metrics.get(name);
    if (known && known.kind !== parts.kind) throw new Bug(`metric ${name} is a ${known.kind} already`);
    const metric: Metric = known ?? {
      kind: parts.kind,
      help: parts.help,
      buckets: parts.buckets ?? [],
      series: new Map(),
      collect: parts.collect,
    };
    this.metrics.set(name, metric);
    return metric;
  }

  private at(name: string, metric: Metric, labels: Labels) {
    const key = Object.entries(labels)
      .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
      .join(',');
    const known = metric.series.get(key);
    if (known) return known;
    const full = metric.series.size >= MAX_SERIES;
    const series = (full && metric.series.get(OVERFLOW)) || { value: 0 };
    metric.series.set(full ? OVERFLOW : key, series);
    return series;
  }
}

function seriesLines(
  name: string,
  { kind, buckets }: Metric,
  labels: string,
  series: { value: number; buckets?: number[]; count?: number },
): string[] {
  const suffix = labels === '' ? '' : `{${labels}}`;
  if (kind !== 'histogram') return [`${name}${suffix} ${series.value}`];
  const bucket = (limit: string, count: number) =>
    `${name}_bucket{${labels === '' ? '' : `${labels},`}le="${limit}"} ${count}`;
  return [
    ...buckets.map((limit, index) => bucket(String(limit), series.buckets?.[index] ?? 0)),
    bucket('+Inf', series.count ?? 0),
    `${name}_sum${suffix} ${series.value}`,
    `${name}_count${suffix} ${series.count ?? 0}`,
  ];
}
