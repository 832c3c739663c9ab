import { expect, inject, test } from 'vitest';
import { DirectoryRepository } from '../../functions/adapters/directory-repository.ts';
import { openApi } from '../../functions/http/openapi.ts';
import { readLocalSettings } from '../../functions/serve/local-env.ts';
import { composeLocalService } from '../../functions/serve/local-service.ts';

const silent = { info: () => {}, warn: () => {}, error: () => {} };

test('every route is in the OpenAPI document, and everything in it is a route', async () => {
  const settings = readLocalSettings({ MODEL_REPOSITORY: inject('repository') });
  const { app, engine } = composeLocalService(settings, new DirectoryRepository(settings.modelRepository), silent);
  const routed = app.routes
    .filter(({ method, path }) => method !== 'ALL' && path !== '/v2/')
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')}`);
  await engine.close();
  const { paths } = openApi('', '', true) as { paths: { [path: string]: { [method: string]: unknown } } };
  const documented = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((key) => key !== 'parameters')
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(documented.sort()).toEqual([...new Set(routed)].sort());
  expect(documented.length).toBeGreaterThan(20);
});
