import { expect, it } from 'vitest';
import { orders, premium } from '../../../../examples/kms/azure.ts';

it('the examples of docs/kms-azure.md make a manager for each vault, and ask nothing before they are used', async () => {
  let asked = 0;
  const credential = {
    getToken: async () => {
      asked += 1;
      return null;
    },
  };
  const managers = [orders(credential), premium(credential)];
  expect(managers.map(({ provider, region }) => [provider, region])).toEqual([
    ['azure/orders.vault.azure.net', 'westeurope'],
    ['azure/premium.managedhsm.azure.net', 'westeurope'],
  ]);
  await Promise.all(managers.map((manager) => manager.close()));
  expect(asked).toBe(0);
});
