/* A thread that opens a wrapped key with a manager of its own. Threads do not inherit the loader for TypeScript. */
import { parentPort, workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { pkcs11KeyManager } = await import('../../../../src/kms/pkcs11.ts');
const kms = pkcs11KeyManager(workerData.options);
const key = await kms.unwrap({ ...workerData.wrapped, ciphertext: Buffer.from(workerData.wrapped.ciphertext) }, workerData.context);
await kms.close();
parentPort.postMessage(key.export().toString('hex'));
