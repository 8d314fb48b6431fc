/**
 * Whether version `found` is `floor` or newer. Only the numbers count: `2.11.0-RC.1` passes a floor of 2.11.0.
 * What can't be read as a version is too old.
 */
export function isAtLeast(found: string, floor: string): boolean {
  const have = numbers(found);
  const need = numbers(floor);
  if (have === null || need === null) return false;
  for (let index = 0; index < 3; index += 1) {
    const difference = have[index]! - need[index]!;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function numbers(version: string): readonly number[] | null {
  const match = /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(version);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] : null;
}
