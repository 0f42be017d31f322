import { createHash } from 'node:crypto';

/**
 * An invented bank account for a product's supplier: the secret of this example. Its check digits are right (ISO 13616), the bank code
 * 00000000 belongs to no bank, and one product always gets the same.
 */
export function supplierIban(sku: string): string {
  const account = (BigInt(`0x${createHash('sha256').update(sku).digest('hex')}`) % 10_000_000_000n).toString().padStart(10, '0');
  const bban = `00000000${account}`;
  const check = 98n - (BigInt(`${bban}131400`) % 97n);
  return `DE${check.toString().padStart(2, '0')}${bban}`;
}
