// `npm start`: the service on this machine. Read it aloud: settings, a first child process, and server.ts for the rest.

import cluster from 'node:cluster';
import { WorkerProcess } from '../adapters/worker-process.ts';
import { readLocalSettings } from './local-env.ts';
import { WrongSetting } from './variables.ts';

async function main(): Promise<void> {
  const [argument] = process.argv.slice(2);
  if (argument === '--help' || argument === '-h') {
    const { USAGE } = await import('./banner.ts');
    console.log(USAGE);
    return;
  }
  if (argument !== undefined) {
    throw new WrongSetting(
      `npm start takes no arguments, got '${argument}'; settings are environment variables: --help`,
    );
  }
  const settings = readLocalSettings(process.env);
  if (settings.processes > 1 && cluster.isPrimary) {
    const { supervise } = await import('./supervisor.ts');
    await supervise(settings);
    return;
  }
  // Its start takes longest: it goes on while the rest of the program is read.
  const child = new WorkerProcess();
  const { serve } = await import('./server.ts');
  await serve(settings, child);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof WrongSetting)) throw error;
  console.error(error.message);
  // One of several would go on listening to its supervisor.
  process.exit(2);
}
