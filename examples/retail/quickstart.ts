import { main } from './quickstart/main.ts';

// Exits by itself: lanes of interrupted work may still wait for servers that are gone.
process.exit(await main(process.argv.slice(2)));
