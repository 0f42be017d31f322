import { afterAll, beforeAll } from 'vitest';
import { gcpKeyManager } from '../../src/kms/gcp.ts';
import { GcpKmsServer, type GcpTransport } from '../support/kms/gcp/kms-server.ts';
import { describeKeyManager } from './key-manager-contract.ts';

let server: GcpKmsServer;

beforeAll(async () => {
  server = await GcpKmsServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const open = async (transport: GcpTransport) =>
  gcpKeyManager({
    project: server.project,
    location: server.location,
    keyRing: server.keyRing,
    clientOptions: server.clientOptions(transport),
  });

describeKeyManager('gcpKeyManager over gRPC', () => open('grpc'), { deletionDays: 30 });
describeKeyManager('gcpKeyManager over gRPC, in an HSM', () => open('grpc'), { deletionDays: 30, protection: 'hsm' });
describeKeyManager('gcpKeyManager over REST', () => open('rest'), { deletionDays: 30 });
