import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { removeStagingFolders } from '../../infra/images/staging.ts';
import { trainingImageContext } from '../../infra/images/training-image.ts';
import { rightsOf } from './rights.ts';
import { workflowWith } from './workflow.ts';

// A worker of vitest is ended without the event that would do it.
afterAll(removeStagingFolders);

const folder = join(import.meta.dirname, '../../functions/train');
const lock = readFileSync(join(folder, 'requirements.lock'), 'utf8');
/** Each requirement with its hashes, by name. */
const locked = new Map(
  lock
    .split(/\n(?=\S)/)
    .filter((block) => !block.startsWith('#'))
    .map((block) => {
      const [, name = '', version = ''] = /^([\w.-]+)==(\S+) \\\n/.exec(block) ?? [];
      return [name, { version, hashes: block.match(/--hash=sha256:[0-9a-f]{64}\b/g) ?? [] }] as const;
    }),
);

describe('the lock', () => {
  test('has a version and hashes of everything', () => {
    expect(locked.size).toBeGreaterThan(30);
    for (const [name, { version, hashes }] of locked) {
      expect([name, version]).toEqual([expect.stringMatching(/^[a-z0-9-]+$/), expect.stringMatching(/^\d/)]);
      expect(hashes.length).toBeGreaterThan(0);
    }
  });

  test('has what the requirement files ask for on Linux, in the same version', () => {
    const files = globSync('requirements*.txt', { cwd: folder });
    expect(files).toHaveLength(3);
    const asked = files.flatMap((file) => {
      const text = readFileSync(join(folder, file), 'utf8');
      return [...text.matchAll(/^([\w.-]+)==([^\s;]+)( ; sys_platform != "linux")?/gm)].filter(
        ([, , , other]) => !other,
      );
    });
    expect(asked.length).toBeGreaterThan(7);
    for (const [, name = '', version] of asked) {
      expect([name, locked.get(name.toLowerCase())?.version]).toEqual([name, version]);
    }
  });
});

describe('the image', () => {
  test('is made of the lock, and installs nothing whose hash is not in it', () => {
    expect(readdirSync(trainingImageContext()).sort()).toEqual(['Dockerfile', 'requirements.lock']);
    const installs = readFileSync(join(folder, 'Dockerfile'), 'utf8').match(/pip install .*/g) ?? [];
    expect(installs).toHaveLength(2);
    for (const line of installs)
      expect(line).toMatch(/--require-hashes --no-deps .*-r \/tmp\/(build|requirements)\.lock/);
  });

  test('is pulled from the one repository that a deployment brings images to', () => {
    const rights = rightsOf(workflowWith({ image: 'project' })).WorkflowTrainRole ?? [];
    const repository =
      'arn:<AWS::Partition>:ecr:eu-west-1:111122223333:repository/cdk-hnb659fds-container-assets-111122223333-eu-west-1';
    expect(rights.filter((right) => right.startsWith('ecr:'))).toEqual([
      `ecr:BatchCheckLayerAvailability on ${repository}`,
      `ecr:BatchGetImage on ${repository}`,
      'ecr:GetAuthorizationToken on *',
      `ecr:GetDownloadUrlForLayer on ${repository}`,
    ]);
  });
});
