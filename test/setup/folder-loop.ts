// The guards of retraining over folders alone, as several processes have them: what is started and told is written to files, too.

import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { textContent } from '../../functions/adapters/content.ts';
import { DirectoryDataset } from '../../functions/adapters/directory-dataset.ts';
import { DirectoryRepository } from '../../functions/adapters/directory-repository.ts';
import { pictureOf } from '../../functions/adapters/image-check.ts';
import { type Loop, loopOf } from '../../functions/retrain/compose.ts';
import { TarHeldOut } from '../../functions/retrain/held-out.ts';
import { executionName } from '../../functions/retrain/ports.ts';

/** @param now which process it is that looks, and when */
export function folderLoop(root: string, now: () => Date): Loop {
  const repository = (name: string): DirectoryRepository => {
    mkdirSync(join(root, name), { recursive: true });
    return new DirectoryRepository(join(root, name));
  };
  const models = repository('models');
  return loopOf({
    dataset: new DirectoryDataset(join(root, 'datasets'), join(root, 'snapshots')),
    models,
    snapshots: repository('snapshots'),
    ledger: repository('ledger'),
    budget: repository('budget'),
    heldOut: new TarHeldOut(models),
    starter: {
      async start(input) {
        const name = executionName(input);
        if (!existsSync(join(root, `started-${name}`))) writeFileSync(join(root, `started-${name}`), '');
        return name;
      },
      async state(_, execution) {
        return existsSync(join(root, `started-${execution}`)) ? 'running' : undefined;
      },
    },
    notifier: {
      async notify(subject) {
        appendFileSync(join(root, 'mails'), `${subject}\n`);
      },
    },
    snapshotAt: (model, id) => join(root, 'snapshots', model, id),
    decode: pictureOf,
    content: textContent,
    now,
  });
}

/** The subjects of what people were told. */
export function mailsIn(root: string): string[] {
  const file = join(root, 'mails');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}
