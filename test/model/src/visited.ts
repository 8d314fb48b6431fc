/** The states that were seen, each a whole number below 2^53, in the order in which they came. */
export class Visited {
  private keys = new Float64Array(1 << 16);
  private slots = new Int32Array(1 << 18).fill(-1);
  size = 0;

  at(index: number): number {
    return this.keys[index]!;
  }

  /** Its index; new when it equals the size before the call. */
  add(key: number): number {
    if (this.size * 2 > this.slots.length) this.widen();
    const slot = this.slotOf(key);
    const known = this.slots[slot]!;
    if (known >= 0) return known;
    if (this.size === this.keys.length) this.keys = widened(this.keys, new Float64Array(this.size * 2));
    this.keys[this.size] = key;
    this.slots[slot] = this.size;
    return this.size++;
  }

  private slotOf(key: number): number {
    const mask = this.slots.length - 1;
    const low = (key % 4_294_967_296) | 0;
    const high = Math.floor(key / 4_294_967_296);
    let hash = Math.imul(low ^ (low >>> 15), 0x2c1b3c6d) ^ Math.imul(high + 0x9e3779b9, 0x297a2d39);
    hash ^= hash >>> 13;
    let slot = Math.imul(hash, 0x85ebca6b) >>> 0;
    for (slot &= mask; ; slot = (slot + 1) & mask) {
      const known = this.slots[slot]!;
      if (known < 0 || this.keys[known] === key) return slot;
    }
  }

  private widen(): void {
    this.slots = new Int32Array(this.slots.length * 2).fill(-1);
    for (let index = 0; index < this.size; index += 1) this.slots[this.slotOf(this.keys[index]!)] = index;
  }
}

/** A list of whole numbers that grows. */
export class Numbers {
  private list = new Int32Array(1 << 16);
  length = 0;

  at(index: number): number {
    return this.list[index]!;
  }
  push(value: number): void {
    if (this.length === this.list.length) this.list = widened(this.list, new Int32Array(this.length * 2));
    this.list[this.length++] = value;
  }
}

function widened<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
