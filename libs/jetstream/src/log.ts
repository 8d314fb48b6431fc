/** Where the transport writes what an operator should know. Fields are flat and never hold a payload. */
export type BrokerLog = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

export const silent: BrokerLog = () => undefined;
