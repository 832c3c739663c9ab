import type { ModelRepository } from '../../inference/ports.ts';

/** What training.json says of the training itself, as far as one machine has a use for it. */
export type TrainingSettings = {
  /** Options of the training program, without the dashes. */
  readonly hyperParameters: { readonly [name: string]: string | number | boolean };
  readonly checkpoints: boolean;
};

const TRAINING_FILE = 'training.json';
const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** A training.json that can't be used; the message is one sentence. */
export class WrongTraining extends Error {
  override readonly name = 'WrongTraining';
}

/** @throws WrongTraining */
export async function trainingSettings(models: ModelRepository, model: string): Promise<TrainingSettings> {
  const file = await models.tagged(model, TRAINING_FILE);
  const { hyperParameters = {}, checkpoints = true } = Object(JSON.parse(file?.text ?? '{}'));
  if (typeof checkpoints !== 'boolean') {
    throw new WrongTraining(`training.json: checkpoints is ${JSON.stringify(checkpoints)}; expected true or false`);
  }
  if (typeof hyperParameters !== 'object' || hyperParameters === null || Array.isArray(hyperParameters)) {
    const found = JSON.stringify(hyperParameters);
    throw new WrongTraining(`training.json: hyperParameters is ${found}; expected an object of options`);
  }
  for (const [name, value] of Object.entries(hyperParameters)) {
    if (!NAME.test(name) || name === 'name' || !['string', 'number', 'boolean'].includes(typeof value)) {
      const found = `${name} ${JSON.stringify(value)}`;
      throw new WrongTraining(
        `training.json: hyperParameters has ${found}; expected options of the training program but --name, each a text, ` +
          'a number, true or false',
      );
    }
  }
  return { hyperParameters, checkpoints };
}
