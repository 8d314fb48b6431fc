import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as a collector gets it. Ids are hexadecimal; `parentId` is empty for a root. */
export interface SunkSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly name: string;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

/** A collector that keeps what OTLP/HTTP (protobuf) brings, read straight off the wire. */
export class OtlpSink {
  readonly spans: SunkSpan[] = [];
  /** Everything that came, for searching. */
  readonly raw: Buffer[] = [];

  private constructor(private readonly server: Server) {}

  static async open(): Promise<OtlpSink> {
    const server = createServer();
    const sink = new OtlpSink(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        sink.raw.push(body);
        if (request.url === '/v1/traces') sink.spans.push(...spansOf(body));
        response.writeHead(request.url === '/v1/traces' ? 200 : 404).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return sink;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  of(traceId: string): readonly SunkSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** ExportTraceServiceRequest.resource_spans(1) → ResourceSpans.scope_spans(2) → ScopeSpans.spans(2). */
function spansOf(body: Buffer): SunkSpan[] {
  const scopes = all(fields(body), 1).flatMap((resource) => all(fields(resource), 2));
  return scopes.flatMap((scope) => all(fields(scope), 2)).map(spanOf);
}

function spanOf(message: Buffer): SunkSpan {
  const span = fields(message);
  const hex = (from: readonly Field[], number: number) => all(from, number)[0]?.toString('hex') ?? '';
  return {
    traceId: hex(span, 1),
    spanId: hex(span, 2),
    parentId: hex(span, 4),
    name: all(span, 5)[0]?.toString('utf8') ?? '',
    links: all(span, 13).map((link) => ({ traceId: hex(fields(link), 1), spanId: hex(fields(link), 2) })),
  };
}

interface Field {
  readonly number: number;
  readonly bytes: Buffer;
}

const all = (from: readonly Field[], number: number): Buffer[] =>
  from.filter((field) => field.number === number).map(({ bytes }) => bytes);

/** The length-delimited fields of a protobuf message; numbers are stepped over. */
function fields(message: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const wire = key % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      found.push({ number: Math.floor(key / 8), bytes: message.subarray(at, at + length) });
      at += length;
    } else throw new Error(`wire type ${wire} is none of protobuf's`);
  }
  return found;
}
