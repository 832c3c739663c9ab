import type { ModelRepository } from '../inference/ports.ts';
import { type Guards, readGuards, WrongGuards } from './limits.ts';
import { Rejected } from './rejection.ts';

/** The file of a model's folder that says how it is trained; a model without one is not. */
const TRAINING_FILE = 'training.json';
const LABELS_FILE = 'labels.txt';

/** @throws Rejected where there is none that can be used */
export async function guardsOf(models: ModelRepository, model: string): Promise<Guards> {
  const file = await models.tagged(model, TRAINING_FILE);
  if (file === undefined) {
    throw new Rejected(
      'no-training-json',
      `'${model}' is not trained here; expected a ${TRAINING_FILE} in the model's folder`,
    );
  }
  try {
    return readGuards(file.text);
  } catch (error) {
    if (error instanceof WrongGuards) throw new Rejected('no-training-json', error.message);
    throw error;
  }
}

/** The classes that the model knows, in the order of its outputs; undefined for a model that has none yet. */
export async function labelsOf(models: ModelRepository, model: string): Promise<readonly string[] | undefined> {
  const { config } = await models.find(model);
  const name = config.output?.find(({ label_filename }) => label_filename)?.label_filename ?? LABELS_FILE;
  const file = await models.tagged(model, name);
  return file?.text.replace(/\r?\n$/, '').split(/\r?\n/);
}
