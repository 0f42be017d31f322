import { describeLane } from './lane-contract.ts';

describeLane('postgres.js', async (database) => await database.lane());

describeLane('postgres.js as behind a pooler', async (database) => await database.lane({ pooled: true }));
