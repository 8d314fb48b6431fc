import fc from 'fast-check';
import { needlesOf, secretsIn } from './known-secrets.js';

const value = fc
  .string({ minLength: 8, maxLength: 60 })
  .map((text) => text.trim())
  .filter((text) => text.length >= 8);

it('finds a value in plain text and in base64, wherever the encoding begins', () => {
  fc.assert(
    fc.property(value, fc.string(), fc.string(), (secret, before, after) => {
      const known = [{ name: 'TOKEN', needles: needlesOf(secret) }];
      const text = before + secret + after;
      expect(secretsIn(Buffer.from(text), known)).toEqual(['TOKEN']);
      for (const encoding of ['base64', 'base64url'] as const)
        expect(secretsIn(Buffer.from(`x ${Buffer.from(text).toString(encoding)} y`), known)).toEqual(['TOKEN']);
    }),
  );
});

it('finds nothing in text that does not hold it', () => {
  const known = [{ name: 'TOKEN', needles: needlesOf('correct horse battery') }];
  expect(secretsIn(Buffer.from('correct horse and battery, Y29ycmVjdCBo'), known)).toEqual([]);
});
