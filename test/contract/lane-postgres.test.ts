import { describeLane } from './lane-contract.ts';

describeLane('own wire', async (database) => await database.lane({ wire: 'own' }));

describeLane('postgres.js', async (database) => await database.lane({ wire: 'driver' }));

describeLane('postgres.js as behind a pooler', async (database) => await database.lane({ pooled: true }));
