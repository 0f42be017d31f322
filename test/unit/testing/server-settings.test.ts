import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../../src/errors.ts';
import { serverSettings } from '../../../src/testing/server-settings.ts';

describe('serverSettings', () => {
  test('writes booleans and numbers as the server reads them', () => {
    expect(serverSettings({ log_connections: true, jit: false, max_connections: 7, 'myapp.level': 'high' })).toEqual({
      log_connections: 'on',
      jit: 'off',
      max_connections: '7',
      'myapp.level': 'high',
    });
  });

  test.each(['port', 'PORT', 'listen_addresses', 'unix_socket_directories', 'data_directory', '', 'a b', 'x=1', '-c', 'a.b.c', '1a'])(
    'refuses %j',
    (name) => {
      expect(() => serverSettings({ [name]: '1' })).toThrow(ConfigurationError);
    },
  );
});
