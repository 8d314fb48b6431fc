let count = 0;

/** A file name that no other live process and no earlier call gives. Loading node:crypto for it would cost 6 ms. */
export function draftName(): string {
  count += 1;
  return `${process.pid}-${process.hrtime.bigint().toString(36)}-${count}`;
}
