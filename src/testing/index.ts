export { assertEncrypted, type EncryptedReport, type EncryptedTarget } from './assert-encrypted.ts';
export { assertIsolated, type IsolatedTarget } from './assert-isolated.ts';
export { type EmbeddedCluster, type EmbeddedClusterOptions, startEmbeddedCluster } from './embedded-cluster.ts';
export type { ServerSettings } from './server-settings.ts';
export type { TestCluster } from './test-cluster.ts';
export { createTestPlatform, type TestPlatform, type TestPlatformOptions } from './test-platform.ts';
export { startTestcontainersCluster, type TestcontainersClusterOptions } from './testcontainers-cluster.ts';
