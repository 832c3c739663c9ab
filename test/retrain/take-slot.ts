// Takes a slot of a budget as a process of its own, and prints its number, or `none`.
//
//   node take-slot.ts FOLDER EXECUTION SLOTS MOMENT

import { setTimeout as sleep } from 'node:timers/promises';
import { textContent } from '../../functions/adapters/content.ts';
import { DirectoryRepository } from '../../functions/adapters/directory-repository.ts';
import { Budget } from '../../functions/retrain/budget.ts';

const [folder = '', execution = '', slots = '', moment = ''] = process.argv.slice(2);
const budget = new Budget(new DirectoryRepository(folder), textContent);
// All that are there by then begin together.
await sleep(Math.max(0, Number(moment) - Date.now()));
console.log((await budget.take({ model: 'm', execution }, Number(slots), new Date(Number(moment)))) ?? 'none');
